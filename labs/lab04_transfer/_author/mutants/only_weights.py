CATCHES = "parameter-groups"
WHY = "Biases are in no group, so they never learn."
EDITS = [
    (
        '"params": list(stage.parameters())',
        ('"params": [p for n, p in stage.named_parameters() if n.endswith("weight")]'),
    ),
]
