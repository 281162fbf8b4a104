CATCHES = "head"
WHY = "The head has no bias."
EDITS = [
    (
        "nn.Linear(self.backbone.features, classes)",
        "nn.Linear(self.backbone.features, classes, bias=False)",
    ),
    (
        "        nn.init.zeros_(self.head.bias)\n",
        "",
    ),
]
