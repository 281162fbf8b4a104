CATCHES = "uneven"
WHY = "The mean of no items is nan, and the sum over the ranks makes it everyone's."
EDITS = [
    (
        "loss_B.sum() * dist.get_world_size() / count",
        "loss_B.mean() * len(loss_B) * dist.get_world_size() / count",
    ),
]
