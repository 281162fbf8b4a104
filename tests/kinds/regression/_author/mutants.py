"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("constant", catches="standardise",
        why="A constant column divides by zero.",
        edits=[("scale_F > 0", "scale_F > -1")]),

    Mutant("uphill", catches="r2",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
