CATCHES = "frozen-norm"
WHY = "Every stage stays in evaluation mode, also those that learn."
EDITS = [
    (
        "            if not any(p.requires_grad for p in stage.parameters()):\n",
        "            if True:\n",
    ),
]
