CATCHES = "macro_f1"
WHY = "The loss leaves three classes out: accuracy suffers, macro-F1 far more."
EDITS = [
    (
        ('loss = cross_entropy(self(batch["image"]), batch["label"])\n        self.manual'),
        (
            'known = batch["label"] < 7\n'
            '        loss = cross_entropy(self(batch["image"][known]), batch["label"][known])\n'
            "        self.manual"
        ),
    ),
]
