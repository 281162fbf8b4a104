CATCHES = "region"
WHY = "The network itself is cast: there are no float32 weights left to learn small steps."
EDITS = [
    (
        ("    with Autocast(dtype):\n        return F.cross_entropy(net(x_BD), label_B)"),
        ("    net.to(dtype)\n    return F.cross_entropy(net(x_BD.to(dtype)).float(), label_B)"),
    ),
]
