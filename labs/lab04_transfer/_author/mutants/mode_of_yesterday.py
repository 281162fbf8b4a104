CATCHES = "thaw"
WHY = "Unfrozen without a new train(): the norms of thawed stages stay in evaluation mode."
EDITS = [
    (
        "if epoch >= self.probe_epochs else 0)\n        self.train()",
        "if epoch >= self.probe_epochs else 0)",
    ),
]
