CATCHES = "launch"
WHY = "The call waits for its result: the backward pass stands still meanwhile."
EDITS = [
    (
        "dist.all_reduce(flat, async_op=True)\n        # END",
        "_Done(dist.all_reduce(flat))\n        # END",
    ),
    (
        "class DataParallel:",
        (
            "class _Done:\n"
            "    def __init__(self, _nothing: object) -> None: ...\n"
            "    def wait(self) -> None: ...\n"
            "\n"
            "\n"
            "class DataParallel:"
        ),
    ),
]
