CATCHES = "autocast"
WHY = "The mode asks for the precision and then calls the operation with what came."
EDITS = [
    (
        (
            "            args = cast(args, dtype)\n"
            "            kwargs = {key: cast(value, dtype) for key, value in "
            "kwargs.items()}\n"
        ),
        "            pass\n",
    ),
]
