CATCHES = "batch-norm"
WHY = "The running averages are never updated: evaluation normalises by 0 and 1."
EDITS = [
    ("            self.remember(mean_C, var_C, x_BCHW.numel() // len(mean_C))\n", ""),
]
