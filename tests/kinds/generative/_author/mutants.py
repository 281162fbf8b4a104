"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("critic_teaches", catches="critic",
        why="The critic's loss reaches the generator, which then helps its opponent.",
        edits=[("fake.detach()", "fake")]),

    Mutant("no_lesson", catches="generator",
        why="The generator's loss is cut from the generator: it never moves.",
        edits=[("-self.critic(fake).mean()", "-self.critic(fake.detach()).mean()")]),

    Mutant("one_optimiser", catches="distance",
        why="Both optimisers are given the critic, so that the generator never moves.",
        edits=[("torch.optim.SGD([self.shift], lr=self.lr)",
                "torch.optim.SGD(self.critic.parameters())")]),
]
