CATCHES = "preprocess"
WHY = "Enlarged into blocks: edges that no photograph has."
EDITS = [
    (
        'size=(size, size), mode="bilinear", align_corners=False',
        'size=(size, size), mode="nearest"',
    ),
]
