CATCHES = "mirror"
WHY = "Every image is mirrored: no variety, only another data set."
EDITS = [
    (
        "torch.rand(len(image_BCHW), device=image_BCHW.device) < 0.5",
        "torch.rand(len(image_BCHW), device=image_BCHW.device) < 2",
    ),
]
