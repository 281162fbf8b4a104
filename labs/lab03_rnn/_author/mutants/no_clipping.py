CATCHES = "clip"
WHY = "The norm is measured, the gradients explode all the same."
EDITS = [("        gradient.mul_(scale)", "        gradient * scale")]
