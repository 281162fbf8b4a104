CATCHES = "truncated-bptt"
WHY = "A new text begins with the memory of the one before."
EDITS = [('None if batch["start"] else self.carried[stage]', "self.carried.get(stage)")]
