CATCHES = "splits"
WHY = "Training on the images that choose the checkpoint."
EDITS = [
    (
        'self.train = self.load(self.name, "train", self.size)',
        'self.train = self.load(self.name, "val", self.size)',
    ),
]
