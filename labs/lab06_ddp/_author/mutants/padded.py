CATCHES = "shard"
WHY = "Short shares are filled up with items that others have, too: they count twice."
EDITS = [
    (
        "yield batch[self.rank :: self.world]",
        (
            "yield batch[torch.arange(self.rank, max(len(batch), self.world), "
            "self.world) % len(batch)]"
        ),
    ),
]
