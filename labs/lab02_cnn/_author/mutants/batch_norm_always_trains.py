CATCHES = "batch-norm"
WHY = "Batch norm in training mode at evaluation: an image's score depends on its neighbours."
EDITS = [
    (
        ("        if self.training:\n            mean_C, var_C"),
        ("        if True:\n            mean_C, var_C"),
    ),
]
