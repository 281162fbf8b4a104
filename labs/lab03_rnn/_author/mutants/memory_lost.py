CATCHES = "truncated-bptt"
WHY = "Every chunk begins with an empty memory."
EDITS = [('None if batch["start"] else self.carried[stage]', "None")]
