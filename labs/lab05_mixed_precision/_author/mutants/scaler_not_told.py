CATCHES = "step"
WHY = "The scaler never learns of an overflow."
EDITS = [("    scaler.update(finite)\n", "")]
