CATCHES = "small-gradients"
WHY = "Small gradients are blown up to max_norm."
EDITS = [("(norm + 1e-6)).clamp(max=1)", "(norm + 1e-6))")]
