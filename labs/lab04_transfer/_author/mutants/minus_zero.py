CATCHES = "all-or-none"
WHY = "stages[-0:] is the whole list: a linear probe trains everything."
EDITS = [
    (
        (
            "    for number, stage in enumerate(stages):\n"
            "        stage.requires_grad_(number >= len(stages) - count)"
        ),
        (
            "    for stage in stages:\n"
            "        stage.requires_grad_(False)\n"
            "    for stage in stages[-count:]:\n"
            "        stage.requires_grad_(True)"
        ),
    ),
]
