CATCHES = "broadcast"
WHY = "A copy is overwritten, the module stays as it was."
EDITS = [("dist.broadcast(tensor, src=0)", "dist.broadcast(tensor.clone(), src=0)")]
