CATCHES = "preprocess"
WHY = "Normalised by the batch's own statistics: not what the pretrained weights know."
EDITS = [
    (
        ("(x_BCHW.expand(-1, 3, -1, -1) - mean_3[:, None, None]) / std_3[:, None, None]"),
        "(x_BCHW.expand(-1, 3, -1, -1) - x_BCHW.mean()) / x_BCHW.std()",
    ),
]
