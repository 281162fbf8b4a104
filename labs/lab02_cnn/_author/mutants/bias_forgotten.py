CATCHES = "conv2d"
WHY = "The bias is never added."
EDITS = [
    (
        ("    if bias is not None:\n        y = y + bias[:, None]\n"),
        "",
    ),
]
