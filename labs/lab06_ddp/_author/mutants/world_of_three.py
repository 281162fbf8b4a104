CATCHES = "other-shards"
WHY = "The number of ranks is written down instead of asked for."
EDITS = [("yield batch[self.rank :: self.world]", "yield batch[self.rank :: 3]")]
