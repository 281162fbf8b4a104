CATCHES = "standardize"
WHY = "Validation images leak into the normalisation: the score no longer stands for unseen data."
EDITS = [
    (
        'pixel_statistics(self.train["image"])',
        (
            "pixel_statistics(\n"
            '            torch.cat([self.train["image"], self.val["image"]])\n'
            "        )"
        ),
    ),
]
