"""The halves of lab 13's hidden checks that enter the sandbox."""

from types import ModuleType

from torch import Tensor

from dllab.checks import Arrays, Given


def other_world(lab: ModuleType, given: Given) -> Arrays:
    """What the learner's code believes of a world with other frequencies, and what it decides."""
    p = lab.adjust(given.logits, given.from_C, given.to_C).softmax(1)
    return {"belief": p, "decision": lab.decide(p, given.cost)}
