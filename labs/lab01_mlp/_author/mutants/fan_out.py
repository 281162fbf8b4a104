CATCHES = "he-init"
WHY = "The variance of the wrong side: the forward signal grows or shrinks with the layer's width."
EDITS = [("(2 / fan_in) ** 0.5", "(2 / fan_out) ** 0.5")]
