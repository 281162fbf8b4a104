CATCHES = "update"
WHY = "An overflow leaves the scale as it is: the next step overflows, too."
EDITS = [("            self.scale *= self.backoff", "            self.good_steps = 0")]
