CATCHES = "splits"
WHY = "The checkpoint is chosen on the test split: its test score means nothing."
EDITS = [
    ('self.load(self.name, "val", self.size)', 'self.load(self.name, "test", self.size)'),
]
