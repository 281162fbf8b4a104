CATCHES = "val-loader"
WHY = "Augmentation on evaluation data: the score is noisy and too low."
EDITS = [
    (
        "BatchLoader(self.val, self.batch_size)",
        "BatchLoader(self.val, self.batch_size, transform=augment)",
    ),
]
