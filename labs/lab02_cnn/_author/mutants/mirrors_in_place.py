CATCHES = "untouched-input"
WHY = "The stored images are mirrored themselves; the next epoch starts from what is left."
EDITS = [
    (
        "    return torch.where(coin_B[:, None, None, None], image_BCHW.flip(3), image_BCHW)",
        ("    image_BCHW[coin_B] = image_BCHW[coin_B].flip(3)\n    return image_BCHW"),
    ),
    ('mirror(shift(batch["image"]))', 'shift(mirror(batch["image"]))'),
]
