CATCHES = "region"
WHY = "The loss stands behind the block: it computes in bfloat16."
EDITS = [
    (
        "        return F.cross_entropy(net(x_BD), label_B)",
        ("        logits_BC = net(x_BD)\n    return F.cross_entropy(logits_BC, label_B)"),
    ),
]
