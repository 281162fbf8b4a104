CATCHES = "step"
WHY = "A step with infinite gradients is taken: the weights are nan from then on."
EDITS = [("    if finite:\n        nn.utils", "    if True:\n        nn.utils")]
