"""The hidden side of lab 15: longer histories, farther logits, the right names, and strangers."""

import torch
from torch import Generator, Tensor

from dllab.checks import Arrays, Player, play
from dllab.data import load
from labs.lab15_bug_clinic import checks
from labs.lab15_bug_clinic.given import AILMENTS, FAULTS, Patient

NAMES = (
    "python-list", "labels-apart", "left-in-eval", "softmax-twice", "overlap", "train-mode",
    "no-zero-grad", "shared-layer", "broadcast", "scrambled", "wraps-around", "rate-per-batch",
)  # fmt: skip


@checks.log_of_zero.also("far-trusted", "Logits thousands apart")
def far_trusted(rng: Generator) -> Arrays:
    """A mistake costs thousands of nats where the logits are thousands apart."""
    return checks.sure(rng, scale=1e4)


@checks.bisect.also("long-history", "A thousand versions")
def long_history(rng: Generator) -> Arrays:
    """Ten tests find one of a thousand versions."""
    return checks.history(1000)(rng)


@play("named")
def named(player: Player, rng: Generator) -> Tensor:
    """The share of the recorded cases that have their right names."""
    said = player.call("named", returns=f"int64 [{len(NAMES)}]")
    return said == torch.tensor([FAULTS.index(name) for name in NAMES])


class Stranger(Patient):
    """A run on real digits, of other sizes and at another rate than those to practise on."""

    rate, deep = 0.2, 2

    def data(self, rng: Generator) -> tuple[int, Tensor, Tensor]:
        """Digits of five classes, 500 of them, centred."""
        items = load("digits", "train")
        chosen = torch.randperm(10, generator=rng)[:5]
        place = (items["label"][:, None] == chosen).nonzero()
        place = place[torch.randint(len(place), (500,), generator=rng)]
        return 5, (items["image"][place[:, 0]].flatten(1) - 5.0) / 4, place[:, 1]


@play("strangers")
def strangers(player: Player, rng: Generator) -> Tensor:
    """What the diagnoses of patients are worth that nobody has seen, two with each ailment."""
    ailments = [*AILMENTS, *AILMENTS]
    return checks.worth(player, [Stranger(ailment, rng) for ailment in ailments], ailments)
