CATCHES = "head"
WHY = "The head still has the classes of ImageNet."
EDITS = [
    (
        "nn.Linear(self.backbone.features, classes)",
        "nn.Linear(self.backbone.features, 1000)",
    ),
]
