CATCHES = "one-cycle"
WHY = "The rate climbs and stays: the last steps still jump about."
EDITS = [
    ("start, end, p = 1.0, 1e-4, (step - peak) / (steps - peak)", "start, end, p = 1.0, 1.0, 0.0"),
]
