"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("mean_of_means", catches="mean",
        why="The mean of ranks' means weighs a rank of one item like one of six.",
        edits=[("torch.stack([values.sum(), torch.tensor(float(len(values)))])", "torch.stack([values.mean() if len(values) else torch.zeros(()), torch.tensor(float(bool(len(values))))])")]),
]
