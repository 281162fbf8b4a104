"""Mistakes in the mean that only a good case shows, and right code that every case must pass."""

from dllab.checks.mutants import Mutant, Variant

MUTANTS = [
    Mutant("padding_counts", catches="breaks",
        why="What lies behind the length has a part in the mean.",
        code={"mean": "return x_BT.sum(1) / lengths_B.clamp(min=1)"}),
    Mutant("divided_by_all", catches="breaks",
        why="The sum is divided by the width of the batch.",
        edits=[("total_B / lengths_B.clamp(min=1)", "total_B / x_BT.shape[1]")]),
    Mutant("one_too_many", catches="breaks",
        why="The entry behind the last one counts.",
        edits=[("< lengths_B[:, None]", "<= lengths_B[:, None]")]),
    Mutant("longest", catches="breaks",
        why="Every row is as long as the longest.",
        edits=[("< lengths_B[:, None]", "< lengths_B.max()")]),
    Mutant("nothing_divided", catches="breaks",
        why="A row of length 0 divides 0 by 0.",
        edits=[("lengths_B.clamp(min=1)", "lengths_B")]),
    Mutant("short_rows_halved", catches="hidden-mean",
        why="A row of length 1 is divided by 2.",
        edits=[("clamp(min=1)", "clamp(min=2)")]),
    Mutant("kept_dimension", catches="full",
        why="A dimension too many.",
        edits=[(".sum(1)", ".sum(1, keepdim=True)")]),
]

VARIANTS = [
    Variant("row_by_row", code={"mean": """
        rows = zip(x_BT, lengths_B.tolist(), strict=True)
        return torch.stack([row[:n].mean() if n else row.new_zeros(()) for row, n in rows])
        """}),
    Variant("by_running_sum", code={"mean": """
        sums_BT = torch.nn.functional.pad(x_BT.cumsum(1), (1, 0))
        return sums_BT.gather(1, lengths_B[:, None])[:, 0] / lengths_B.clamp(min=1)
        """}),
]
