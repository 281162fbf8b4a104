CATCHES = "all-reduce"
WHY = "The division by the world's size is missing: the rate grows with the number of processes."
EDITS = [("        p.grad /= dist.get_world_size()\n", "")]
