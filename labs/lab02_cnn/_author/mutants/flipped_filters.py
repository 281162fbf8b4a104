CATCHES = "conv2d"
WHY = "The filters are flipped: mathematics' convolution, not the networks' cross-correlation."
EDITS = [
    ("y = weight.flatten(1) @ patches", "y = weight.flip(2, 3).flatten(1) @ patches"),
]
