CATCHES = "master-step"
WHY = (
    "The copies are made anew from the rounded parameters: what was rounded away is lost each time."
)
EDITS = [
    (
        "            high.grad = None",
        "            high.copy_(low)\n            high.grad = None",
    ),
]
