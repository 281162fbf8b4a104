"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("unsquashed", catches="act",
        why="A push without bounds.",
        edits=[("torch.tanh(self.policy(observations))", "self.policy(observations)")]),

    Mutant("place_alone", catches="cost",
        why="Carts that race through the middle cost nothing there.",
        edits=[("(place_B.square() + speed_B.square())", "place_B.square()")]),

    Mutant("uphill", catches="rest",
        why="The optimiser climbs.",
        edits=[("lr=self.lr)", "lr=self.lr, maximize=True)")]),
]
