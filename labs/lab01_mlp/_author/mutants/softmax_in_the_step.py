CATCHES = "training-step"
WHY = "softmax before cross-entropy, in the training step."
EDITS = [
    (
        ('loss = cross_entropy(self(batch["image"]), batch["label"])\n        self.manual'),
        (
            'loss = cross_entropy(self(batch["image"]).softmax(dim=1), batch["label"])\n'
            "        self.manual"
        ),
    ),
]
