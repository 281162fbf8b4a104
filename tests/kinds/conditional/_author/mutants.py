"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("variance", catches="sample",
        why="A log deviation is taken for a deviation.",
        edits=[("self.log_scale.exp()[kind]", "self.log_scale[kind]")]),

    Mutant("uphill", catches="distance",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
