CATCHES = "residual"
WHY = "A ReLU before the sum: the block can only ever add."
EDITS = [
    (
        "        return F.relu(y_BCHW + self.shortcut(x_BCHW))",
        "        return F.relu(y_BCHW) + self.shortcut(x_BCHW)",
    ),
]
