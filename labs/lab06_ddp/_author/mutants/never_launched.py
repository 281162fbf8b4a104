CATCHES = "ready"
WHY = "No bucket ever leaves: every rank trains by itself."
EDITS = [("            self.launch(number)\n", "            pass\n")]
