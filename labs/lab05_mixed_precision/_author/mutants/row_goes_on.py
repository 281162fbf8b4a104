CATCHES = "update"
WHY = "An overflow does not end the row of good steps: the scale grows too early."
EDITS = [("self.good_steps + 1 if finite else 0", "self.good_steps + finite")]
