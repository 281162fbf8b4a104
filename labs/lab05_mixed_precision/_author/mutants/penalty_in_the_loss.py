CATCHES = "saved-bytes"
WHY = "A penalty inside of the loss keeps every weight in float32 for the backward pass."
EDITS = [
    (
        "        return F.cross_entropy(net(x_BD), label_B)",
        (
            "        penalty = sum((p * p).mean() for p in net.parameters())\n"
            "        return F.cross_entropy(net(x_BD), label_B) + 1e-6 * penalty"
        ),
    ),
]
