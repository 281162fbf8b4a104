CATCHES = "unfreeze"
WHY = "Stages are unfrozen, but none is ever frozen."
EDITS = [
    (
        "stage.requires_grad_(number >= len(stages) - count)",
        ("if number >= len(stages) - count:\n            stage.requires_grad_(True)"),
    ),
]
