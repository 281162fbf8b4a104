CATCHES = "order"
WHY = "The order depends on the epoch alone."
EDITS = [("hash((self.seed, self.epoch))", "self.epoch")]
