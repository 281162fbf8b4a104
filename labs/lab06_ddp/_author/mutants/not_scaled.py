CATCHES = "scaled-lr"
WHY = "The rate stays: fewer steps, each as small as before."
EDITS = [("target = lr * batch / base_batch", "target = lr")]
