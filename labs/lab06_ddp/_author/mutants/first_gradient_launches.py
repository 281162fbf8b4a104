CATCHES = "ready"
WHY = "A bucket leaves with the first of its gradients; the others are stale, or None."
EDITS = [
    (
        "if self.missing[number] == 0",
        "if self.missing[number] == len(self.buckets[number]) - 1",
    ),
]
