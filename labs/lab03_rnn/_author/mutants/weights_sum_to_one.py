CATCHES = "balanced-weights"
WHY = "The weights are right up to a factor, which scales the loss."
EDITS = [
    (
        "return len(label_N) / (classes * count_C.float())",
        "return (1 / count_C) / (1 / count_C).sum()",
    )
]
