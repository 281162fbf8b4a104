CATCHES = "thaw"
WHY = "The stages thaw one epoch late."
EDITS = [("epoch >= self.probe_epochs", "epoch > self.probe_epochs")]
