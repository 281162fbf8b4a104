CATCHES = "unused"
WHY = (
    "A rank without a gradient skips the call, and all others wait for it, or add up the "
    "wrong things."
)
EDITS = [
    (
        (
            "        if p.grad is None:\n"
            "            p.grad = torch.zeros_like(p)\n"
            "        dist.all_reduce(p.grad)\n"
            "        p.grad /= dist.get_world_size()"
        ),
        (
            "        if p.grad is not None:\n"
            "            dist.all_reduce(p.grad)\n"
            "            p.grad /= dist.get_world_size()"
        ),
    ),
]
