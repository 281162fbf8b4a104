CATCHES = "standardize"
WHY = "Test statistics leak into the normalisation."
EDITS = [
    (
        'pixel_statistics(self.train["image"])',
        'pixel_statistics(self.load(self.name, "test")["image"])',
    ),
]
