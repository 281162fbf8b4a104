CATCHES = "unfreeze"
WHY = "One stage more than asked for learns."
EDITS = [("number >= len(stages) - count", "number >= len(stages) - count - 1")]
