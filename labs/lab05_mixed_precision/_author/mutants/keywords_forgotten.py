CATCHES = "autocast"
WHY = "Tensors passed by keyword are not cast, and the operation meets two dtypes."
EDITS = [
    (
        ("            kwargs = {key: cast(value, dtype) for key, value in kwargs.items()}\n"),
        "",
    ),
]
