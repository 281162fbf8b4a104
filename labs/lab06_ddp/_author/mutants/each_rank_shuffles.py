CATCHES = "order"
WHY = "Every rank shuffles for itself: shards overlap, and some items are never seen."
EDITS = [("hash((self.seed, self.epoch))", "hash((self.seed, self.epoch, self.rank))")]
