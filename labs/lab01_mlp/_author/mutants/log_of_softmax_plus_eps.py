CATCHES = "far-logits"
WHY = "An epsilon hides the overflow, and caps the loss of a confident mistake."
EDITS = [
    (
        "    return shifted_BC - shifted_BC.exp().sum(dim=1, keepdim=True).log()",
        "    return (shifted_BC.softmax(dim=1) + 1e-9).log()",
    ),
]
