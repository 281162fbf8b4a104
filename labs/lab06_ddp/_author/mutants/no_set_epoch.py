CATCHES = "order"
WHY = "The epoch is not used: every epoch comes in the same order."
EDITS = [("hash((self.seed, self.epoch))", "self.seed")]
