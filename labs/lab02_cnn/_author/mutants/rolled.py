CATCHES = "shift"
WHY = "roll brings what leaves on the right back in on the left."
EDITS = [
    (
        "    return windows[torch.arange(B), :, top_B, left_B]",
        (
            "    offsets = zip((top_B - most).tolist(), (left_B - most).tolist(), strict=True)\n"
            "    moved = [x.roll(by, (1, 2)) for x, by in zip(image_BCHW, offsets, strict=True)]\n"
            "    return torch.stack(moved)"
        ),
    ),
]
