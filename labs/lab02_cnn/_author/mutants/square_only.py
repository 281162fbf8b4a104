CATCHES = "odd-conv"
WHY = "Rows and columns are taken to be equally many."
EDITS = [
    ("((x_BCHW.shape[2] + 2 * padding - K) // stride + 1, -1)", "(round(y.shape[2] ** 0.5), -1)"),
]
