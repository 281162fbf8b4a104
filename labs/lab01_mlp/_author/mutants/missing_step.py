CATCHES = "training-step"
WHY = "The gradients are right and nobody uses them."
EDITS = [("        optimizer.step()\n", "")]
