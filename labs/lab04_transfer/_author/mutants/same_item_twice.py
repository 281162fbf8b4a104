CATCHES = "few-labels"
WHY = "Drawn with replacement: some items are seen twice, others of the few labels are wasted."
EDITS = [
    (
        "numbers[:per_class] for numbers",
        ("numbers[torch.randint(len(numbers), (per_class,), generator=generator)] for numbers"),
    ),
]
