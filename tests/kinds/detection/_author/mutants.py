"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("one_class", catches="boxes",
        why="Every box is said to be of the first class.",
        edits=[("left_BK + SIDE, top_BK + SIDE, class_BK]", "left_BK + SIDE, top_BK + SIDE, 0 * class_BK]")]),

    Mutant("uphill", catches="ap",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
