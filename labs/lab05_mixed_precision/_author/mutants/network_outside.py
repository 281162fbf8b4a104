CATCHES = "region"
WHY = "Only the loss is in the block: the network stays float32."
EDITS = [
    (
        ("    with Autocast(dtype):\n        return F.cross_entropy(net(x_BD), label_B)"),
        (
            "    logits_BC = net(x_BD)\n"
            "    with Autocast(dtype):\n"
            "        return F.cross_entropy(logits_BC, label_B)"
        ),
    ),
]
