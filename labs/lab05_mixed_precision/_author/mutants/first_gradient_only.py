CATCHES = "unscale"
WHY = "Only the first gradient is looked at."
EDITS = [("for gradient in gradients)", "for gradient in gradients[:1])")]
