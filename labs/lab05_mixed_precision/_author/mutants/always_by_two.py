CATCHES = "long-history"
WHY = "Growth and back-off are 2 and 1/2, whatever the scaler was told."
EDITS = [
    (
        "self.scale *= self.backoff",
        "self.scale /= 2",
    ),
    (
        "self.scale *= self.growth",
        "self.scale *= 2",
    ),
]
