CATCHES = "thaw"
WHY = "The backbone never learns: fine-tuning is a probe."
EDITS = [("self.thawed if epoch >= self.probe_epochs else 0", "0")]
