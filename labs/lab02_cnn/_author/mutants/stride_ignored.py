CATCHES = "conv2d"
WHY = "The stride never reaches the patches."
EDITS = [
    (
        "F.unfold(x_BCHW, (K, L), padding=padding, stride=stride)",
        "F.unfold(x_BCHW, (K, L), padding=padding)",
    ),
    ("- K) // stride + 1, -1", "- K) + 1, -1"),
]
