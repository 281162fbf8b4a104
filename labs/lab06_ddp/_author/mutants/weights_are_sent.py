CATCHES = "launch"
WHY = "The parameters travel in place of their gradients."
EDITS = [("p.grad.flatten() for p in self.buckets", "p.detach().flatten() for p in self.buckets")]
