CATCHES = "all-reduce"
WHY = "Gradients are divided but never exchanged: the replicas drift apart."
EDITS = [("        dist.all_reduce(p.grad)\n", "")]
