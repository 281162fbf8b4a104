CATCHES = "shard"
WHY = "A rank without items skips the step, and the others wait for ever in the collective call."
EDITS = [
    (
        "            yield batch[self.rank :: self.world]",
        (
            "            if len(batch) > self.rank:\n"
            "                yield batch[self.rank :: self.world]"
        ),
    ),
]
