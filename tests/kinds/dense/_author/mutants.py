"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("alike", catches="pixel-loss",
        why="Things are rare: unweighted, the ground wins.",
        edits=[("1 + 2 * label_BHW", "1 + 0 * label_BHW")]),

    Mutant("uphill", catches="miou",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
