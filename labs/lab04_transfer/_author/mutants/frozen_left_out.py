CATCHES = "frozen-groups"
WHY = "Only what learns now is in the optimiser: a stage that thaws later never moves."
EDITS = [
    (
        '"params": list(stage.parameters())',
        '"params": [p for p in stage.parameters() if p.requires_grad]',
    ),
]
