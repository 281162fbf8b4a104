CATCHES = "master-step"
WHY = "The copies move, the parameters never hear of it."
EDITS = [("            low.copy_(high)", "            high.grad = None")]
