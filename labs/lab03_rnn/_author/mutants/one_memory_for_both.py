CATCHES = "two-texts"
WHY = "Validation overwrites the memory of the training text."
EDITS = [
    ('batch["start"] else self.carried[stage]', 'batch["start"] else self.carried["text"]'),
    ("self.carried[stage] = h_BH", 'self.carried["text"] = h_BH'),
]
