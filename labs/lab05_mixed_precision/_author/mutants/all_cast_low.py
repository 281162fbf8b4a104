CATCHES = "autocast"
WHY = "Every operation computes in the lower precision, the keep-list is not asked."
EDITS = [
    (
        "        dtype = precision_of(name, self.dtype)\n",
        ("        dtype = self.dtype if precision_of(name, self.dtype) else None\n"),
    ),
]
