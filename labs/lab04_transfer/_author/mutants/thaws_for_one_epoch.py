CATCHES = "thaw"
WHY = "The stages freeze again after one epoch."
EDITS = [("epoch >= self.probe_epochs", "epoch == self.probe_epochs")]
