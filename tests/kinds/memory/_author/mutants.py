"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("forgets", catches="act",
        why="Each observation begins a new episode.",
        edits=[("observations[:, None], self.state)", "observations[:, None], None)")]),

    Mutant("uphill", catches="recall",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
