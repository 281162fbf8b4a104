CATCHES = "finish"
WHY = "The mean is added to the rank's own gradient."
EDITS = [("p.grad.copy_(part.view_as(p))", "p.grad.add_(part.view_as(p))")]
