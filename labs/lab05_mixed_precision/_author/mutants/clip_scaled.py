CATCHES = "clipped"
WHY = "The threshold is scaled and the gradients are not: clipping never bites."
EDITS = [
    (
        "(parameters, max_norm)\n        optimizer",
        "(parameters, max_norm * scaler.scale)\n        optimizer",
    ),
]
