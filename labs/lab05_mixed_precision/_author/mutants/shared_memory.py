CATCHES = "master-copies"
WHY = "A float32 parameter and its copy share their memory."
EDITS = [("p.detach().float().clone()", "p.detach().float()")]
