CATCHES = "scaled-lr"
WHY = "The rule for Adam: the root of the factor."
EDITS = [("target = lr * batch / base_batch", "target = lr * (batch / base_batch) ** 0.5")]
