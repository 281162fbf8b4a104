CATCHES = "running-statistics"
WHY = "The running variance keeps the batch's own divisor: too small for unseen data."
EDITS = [("var_C * count / (count - 1)", "var_C")]
