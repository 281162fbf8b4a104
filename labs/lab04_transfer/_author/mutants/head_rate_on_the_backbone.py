CATCHES = "parameter-groups"
WHY = "One rate for all: the first steps of a new head's size wipe out what was pretrained."
EDITS = [("lr * decay**depth", "lr")]
