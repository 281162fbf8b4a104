CATCHES = "step"
WHY = "A skipped step is reported as taken."
EDITS = [
    (
        "    scaler.update(finite)\n    return finite",
        "    scaler.update(finite)\n    return True",
    ),
]
