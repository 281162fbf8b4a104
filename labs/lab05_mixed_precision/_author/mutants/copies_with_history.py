CATCHES = "master-copies"
WHY = "The copies hang on the graph of the parameters: no optimiser takes them."
EDITS = [("p.detach().float().clone()", "p.float().clone()")]
