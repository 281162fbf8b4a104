CATCHES = "last-valid"
WHY = "Off by one: the step before the last."
EDITS = [(", length_B - 1]", ", length_B - 2]")]
