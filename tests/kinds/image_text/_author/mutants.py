"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("padding", catches="mean-word",
        why="Padding counts as words.",
        edits=[("* real_BT[:, :, None]", "* torch.ones_like(real_BT)[:, :, None]")]),

    Mutant("uphill", catches="accuracy",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
