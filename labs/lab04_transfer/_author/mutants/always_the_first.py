CATCHES = "other-labels"
WHY = "The first items of each class, whatever the seed: one draw tells nothing about others."
EDITS = [
    (
        "order_N = torch.randperm(len(label_N), generator=generator)",
        "order_N = torch.arange(len(label_N))",
    ),
]
