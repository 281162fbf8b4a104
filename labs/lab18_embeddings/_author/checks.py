"""The hidden checks of lab 18: visible ones on other values. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays
from labs.lab18_embeddings import checks


@checks.contexts.also("one-speech", "One speech without an end")
def one_speech(rng: torch.Generator) -> Arrays:
    """Where all is one speech, only the ends of the text have fewer neighbours."""
    return checks.text(rng) | {"speech": torch.zeros(12, dtype=torch.int64)}


@checks.sgns_loss.also("sure-pairs", "Pairs far apart")
def sure_pairs(rng: torch.Generator) -> Arrays:
    """Products of hundreds cost hundreds, and nothing becomes infinite."""
    drawn = checks.some_pairs(rng)
    return drawn | {"z": 20 * drawn["z"], "u": 20 * drawn["u"]}


@checks.sgns_gradient.also("sure-gradient", "The gradient far out")
def sure_gradient(rng: torch.Generator) -> Arrays:
    """Where sigmoid is 0 or 1, gradients are right and finite."""
    drawn = {name: draw(rng) for name, draw in checks.PAIR.items()}
    return drawn | {"z": 200 * drawn["z"]}


@checks.ppmi.also("once-met", "Words that met once")
def once_met(rng: torch.Generator) -> Arrays:
    """Where each word met one other once, that is all that is known of it."""
    return {"count": torch.eye(6)[torch.randperm(6, generator=rng)]}
