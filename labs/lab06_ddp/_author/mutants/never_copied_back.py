CATCHES = "finish"
WHY = "The means stay in the flat tensor, the gradients are those of the rank alone."
EDITS = [
    (
        "                p.grad.copy_(part.view_as(p))",
        "                p.grad = p.grad.clone()",
    ),
]
