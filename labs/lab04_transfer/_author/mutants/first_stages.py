CATCHES = "unfreeze"
WHY = (
    "The first stages learn instead of the last: the general features are spoilt, the "
    "special ones stay."
)
EDITS = [("number >= len(stages) - count", "number < count")]
