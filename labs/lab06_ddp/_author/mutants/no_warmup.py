CATCHES = "scaled-lr"
WHY = "The full rate from the first step: early training diverges."
EDITS = [
    (
        ("return target if step >= warmup else lr + (target - lr) * step / warmup"),
        "return target",
    ),
]
