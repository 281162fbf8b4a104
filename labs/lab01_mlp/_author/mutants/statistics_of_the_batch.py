CATCHES = "forward"
WHY = "Each batch is standardised by itself: an item's score depends on its neighbours."
EDITS = [
    (
        "(image.flatten(1).float() - self.mean) / self.std",
        (
            "image.flatten(1).float()\n"
            "        x_BF = (x_BF - x_BF.mean(dim=0)) / x_BF.std(dim=0).clamp_min(1)"
        ),
    ),
]
