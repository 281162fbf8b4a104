CATCHES = "accuracy"
WHY = "Only the last layer is in the optimiser: the convolutions stay random."
EDITS = [
    ("            self.parameters(), self.lr", "            self.net[-1].parameters(), self.lr"),
]
