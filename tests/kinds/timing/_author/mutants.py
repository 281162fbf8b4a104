"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("squared", catches="distances",
        why="The square root is missing.",
        edits=[(".sum(dim=2).sqrt()", ".sum(dim=2)")]),

    Mutant("loops", catches="speed",
        why="A loop gives the same, slowly.",
        edits=[("(one_AD[:, None] - other_BD[None]).square().sum(dim=2).sqrt()", "torch.stack([(one - other_BD).square().sum(dim=1).sqrt() for one in one_AD])")]),
]
