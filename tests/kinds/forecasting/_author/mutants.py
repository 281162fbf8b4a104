"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("padding", catches="last",
        why="The end of the array is taken for the end of the series.",
        edits=[("lengths_B[:, None] - SEEN", "series_BT.shape[1] - SEEN + 0 * lengths_B[:, None]")]),

    Mutant("uphill", catches="mase",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
