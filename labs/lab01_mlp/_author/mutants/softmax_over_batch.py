CATCHES = "log-softmax"
WHY = "The softmax runs over the batch instead of the classes."
EDITS = [
    ("shifted_BC.exp().sum(dim=1, keepdim=True)", "shifted_BC.exp().sum(dim=0, keepdim=True)"),
]
