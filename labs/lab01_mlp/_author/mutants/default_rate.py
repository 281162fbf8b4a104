CATCHES = "optimizer"
WHY = "The configured learning rate is never used."
EDITS = [("self.parameters(), lr=self.lr, ", "self.parameters(), ")]
