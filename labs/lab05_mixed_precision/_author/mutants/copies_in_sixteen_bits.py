CATCHES = "master-copies"
WHY = "The copies are as narrow as the parameters: nothing is gained."
EDITS = [("p.detach().float().clone()", "p.detach().clone()")]
