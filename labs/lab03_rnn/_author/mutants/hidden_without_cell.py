CATCHES = "truncated-bptt"
WHY = "h is carried on, c is not."
EDITS = [("= h_BH.detach(), c_BH.detach()", "= h_BH.detach(), torch.zeros_like(c_BH)")]
