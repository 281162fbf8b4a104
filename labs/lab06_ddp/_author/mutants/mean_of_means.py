CATCHES = "uneven"
WHY = (
    "The mean over this rank's items: an item of a short batch counts more than others; of "
    "none, it is nan."
)
EDITS = [("loss_B.sum() * dist.get_world_size() / count", "loss_B.sum() / max(len(loss_B), 1)")]
