CATCHES = "train-loader"
WHY = "The augmentation is written and never used."
EDITS = [(", seed=self.seed, transform=augment", ", seed=self.seed")]
