CATCHES = "few-labels"
WHY = "Drawn from all items alike: a rare class gets hardly a label."
EDITS = [
    (
        "    return torch.cat([numbers[:per_class] for numbers in of_class])",
        "    return order_N[: per_class * len(of_class)]",
    ),
]
