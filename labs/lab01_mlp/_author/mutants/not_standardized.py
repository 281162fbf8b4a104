CATCHES = "forward"
WHY = "The network sees raw grey levels up to 255."
EDITS = [
    (
        "x_BF = (image.flatten(1).float() - self.mean) / self.std",
        "x_BF = image.flatten(1).float()",
    ),
]
