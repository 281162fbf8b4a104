"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("sums", catches="neighbours",
        why="A sum makes nodes with many neighbours loud.",
        edits=[("clamp(min=1)[:, None]", "clamp(min=1, max=1)[:, None]")]),

    Mutant("uphill", catches="accuracy",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
