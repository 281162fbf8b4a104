CATCHES = "shard"
WHY = "Every rank takes the whole batch: nothing is divided."
EDITS = [("yield batch[self.rank :: self.world]", "yield batch")]
