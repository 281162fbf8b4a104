CATCHES = "scaled-lr"
WHY = "The warm-up begins at 0, where nothing is learned."
EDITS = [("lr + (target - lr) * step / warmup", "target * step / warmup")]
