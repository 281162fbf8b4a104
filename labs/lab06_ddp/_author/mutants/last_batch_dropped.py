CATCHES = "shard"
WHY = "The short last batch is left out: some items are never seen."
EDITS = [
    (
        "            yield batch[self.rank :: self.world]",
        (
            "            if len(batch) == self.batch_size:\n"
            "                yield batch[self.rank :: self.world]"
        ),
    ),
]
