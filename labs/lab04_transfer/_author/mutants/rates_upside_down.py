CATCHES = "parameter-groups"
WHY = "The stages nearest to the pixels learn fastest."
EDITS = [("enumerate(reversed(stages), start=1)", "enumerate(stages, start=1)")]
