CATCHES = "hundred-steps"
WHY = "Growing counts as a skipped step: every time the scale moves, a step is lost."
EDITS = [
    (
        "    if finite:\n        nn.utils",
        "    if finite and scaler.good_steps + 1 < 20:\n        nn.utils",
    ),
]
