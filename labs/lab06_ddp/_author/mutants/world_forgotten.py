CATCHES = "uneven"
WHY = "Divided by all items, and by the world's size once more."
EDITS = [("loss_B.sum() * dist.get_world_size() / count", "loss_B.sum() / count")]
