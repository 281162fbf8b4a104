"""The hidden checks of lab 14: other places, other curves, and a kill by the kernel."""

import torch

from dllab.checks import Arrays, Given, Outcome, check, integers
from labs.lab14_loop_callbacks_resume import checks
from labs.lab14_loop_callbacks_resume._author import probes


@checks.batches.also("last-batch", "Saved behind the last batch")
def last_batch(rng: torch.Generator) -> Arrays:
    """When all batches of an epoch are handed out, the pass is empty, and the next one whole."""
    seed, epoch = torch.randint(1, 10_000, (2,), generator=rng)
    return {"seed": seed, "epoch": epoch, "position": torch.tensor(checks.BATCHES)}


@checks.best.also("other-curve", "Another curve")
def other_curve(rng: torch.Generator) -> Arrays:
    """A curve that goes up and down anywhere, also below 0."""
    return {"curve": 0.5 * torch.randn(20, generator=rng)}


@checks.killed.also("epoch-ends", "Resumed where an epoch begins")
def epoch_ends(rng: torch.Generator) -> Arrays:
    """Where the last checkpoint is that of an epoch's end, nothing is lost or done twice."""
    return checks.some_batches(rng) | {"kills": torch.tensor([5, 6, 10])}


@check(
    "killed-hard",
    "Killed by the kernel while it saves",
    given=lambda rng: checks.some_batches(rng) | {"kills": integers(3, 12, checks.KILLS)(rng)},
    probe=probes.killed_hard,
    returns=checks.forms("0", "1"),
    depends_on=("killed",),
    hint="best-state",
)
def killed_hard(given: Given, got: Arrays) -> Outcome:
    """A process that dies in the middle of a checkpoint goes on from the one before."""
    first = Given({**given, "kills": given.kills[:1]})
    return checks.same_to_the_bit(first, got)
