CATCHES = "balanced-weights"
WHY = "Frequent classes weigh more, not less."
EDITS = [
    (
        "return len(label_N) / (classes * count_C.float())",
        "return classes * count_C.float() / len(label_N)",
    )
]
