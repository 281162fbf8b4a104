CATCHES = "thaw"
WHY = "The stages learn from the start, beside a head that knows nothing yet."
EDITS = [("self.thawed if epoch >= self.probe_epochs else 0", "self.thawed")]
