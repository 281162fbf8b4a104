CATCHES = "metric"
WHY = "Classes that a rank has not seen are missing from its table."
EDITS = [("bincount(minlength=classes**2)", "bincount()")]
