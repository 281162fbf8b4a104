CATCHES = "finish"
WHY = "The parts go back in reverse order: where sizes fit, to the wrong parameters."
EDITS = [
    (
        ("for p, part in zip(bucket, mean.split([p.numel() for p in bucket]), strict=True)"),
        (
            "for p, part in zip(bucket, mean.flip(0).split([p.numel() for p in bucket]), "
            "strict=True)"
        ),
    ),
]
