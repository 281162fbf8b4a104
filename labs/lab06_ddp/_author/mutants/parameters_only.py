CATCHES = "broadcast"
WHY = "Buffers are not sent: the ranks evaluate with other running averages."
EDITS = [
    (
        ("    for tensor in module.state_dict().values():\n        dist.broadcast(tensor, src=0)"),
        ("    for p in module.parameters():\n        dist.broadcast(p.data, src=0)"),
    ),
]
