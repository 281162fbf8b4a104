CATCHES = "parameter-groups"
WHY = "The last stage learns as fast as the head."
EDITS = [("reversed(stages), start=1", "reversed(stages), start=0")]
