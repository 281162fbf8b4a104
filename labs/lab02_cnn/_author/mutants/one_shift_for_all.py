CATCHES = "shift"
WHY = "All images of a batch move alike."
EDITS = [
    (
        "torch.randint(2 * most + 1, (2, B), device=image_BCHW.device)",
        "torch.randint(2 * most + 1, (2, 1), device=image_BCHW.device)",
    ),
]
