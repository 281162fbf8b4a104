CATCHES = "update"
WHY = "The scale grows one good step late."
EDITS = [("elif self.good_steps == self.interval", "elif self.good_steps > self.interval")]
