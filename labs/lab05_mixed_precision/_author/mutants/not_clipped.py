CATCHES = "clipped"
WHY = "Gradients are not clipped."
EDITS = [("        nn.utils.clip_grad_norm_(parameters, max_norm)\n", "")]
