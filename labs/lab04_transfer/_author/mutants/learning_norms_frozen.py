CATCHES = "frozen-norm"
WHY = "The test is the wrong way round: learning stages are held, frozen ones drift."
EDITS = [("if not any(p.requires_grad", "if any(p.requires_grad")]
