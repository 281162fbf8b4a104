CATCHES = "training-step"
WHY = "Gradients pile up: each step also repeats all steps before it."
EDITS = [("        optimizer.zero_grad()\n", "")]
