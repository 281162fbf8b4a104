CATCHES = "truncated-bptt"
WHY = "Gradients reach back through all chunks: torch refuses, or memory runs out."
EDITS = [("= h_BH.detach(), c_BH.detach()", "= h_BH, c_BH")]
