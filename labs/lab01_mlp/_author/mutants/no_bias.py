CATCHES = "linear"
WHY = "The bias is there, trained and never added."
EDITS = [("return x @ self.weight.T + self.bias", "return x @ self.weight.T")]
