CATCHES = "conv-gradients"
WHY = "The patches are cut off from the graph: no gradient reaches the layers below."
EDITS = [
    ("y = weight.flatten(1) @ patches", "y = weight.flatten(1) @ patches.detach()"),
]
