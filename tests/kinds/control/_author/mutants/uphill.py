CATCHES = "rest"
WHY = "The optimiser climbs."
EDITS = [("lr=self.lr)", "lr=self.lr, maximize=True)")]
