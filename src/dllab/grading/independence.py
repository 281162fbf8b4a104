"""The proof that each item is scored alone, and what becomes of what the proof cannot see.

Items go to the model in groups, each to a fresh worker. Some of all groups are scored again in a
worker that sees no others. Scores that differ by more than rounding are refused. What differs less
may still hold what a model has read off the other items, so three times as much noise is added to
all scores before they are measured: nobody gains by differences as small as those between two
companies, and honest scores in float32 do not feel it.

A model that changes few scores by much may escape, by chance. Let a share f of the items change,
each to its right answer: the AGAIN that are scored again hold none of these with a chance of
(1 - f)^AGAIN, so that f (1 - f)^AGAIN, at most 1 / (e AGAIN) = 0.2 % of the items, is what it can
expect to win by an oracle, where all that it knows is how the items compare.
"""

import torch
from torch import Tensor

AGAIN = 192  # items scored a second time, among other neighbours
GROUPS = 2
# A share of the scores' spread: above all that rounding in bfloat16 does (3 %), below what batch
# statistics or padding do to a score.
TOLERANCE = 0.05
ROUNDING = 1e-5  # differences that are this small are no leak, whatever the spread
NOISE = 3.0  # standard deviations of what is added, in units of the largest difference


def groups(count: int, generator: torch.Generator) -> list[Tensor]:
    """Which items go to which worker: GROUPS disjoint sets of indices, int64, by chance."""
    return list(torch.randperm(count, generator=generator).tensor_split(GROUPS))


def company(scores: Tensor, rng: torch.Generator) -> Tensor:
    """Which items to score again, int64 `[AGAIN]`: a quarter to a half of them from one end of the
    scores, others by chance; which end and how many is chance too.

    A model that ranks the items it is given against each other, and calls the upper half positive,
    gives these few other scores than before. Were all drawn by chance, it would go unseen in eight
    grades of a hundred.
    """
    order = torch.randperm(len(scores), generator=rng)
    top = bool(torch.randint(2, (), generator=rng))
    share = int(torch.randint(AGAIN // 4, AGAIN // 2 + 1, (), generator=rng))
    rows = scores.double().flatten(1) if scores.dim() > 1 else scores.double()[:, None]
    first = (rows[:, 0] - (rows.mean(1) if rows.shape[1] > 1 else 0))[order]
    extreme = order[first.argsort(descending=top, stable=True)[:share]]
    left = order[~torch.isin(order, extreme)].flip(0)  # where scores tie, its front is picked over
    others = left[: AGAIN - share]
    return torch.cat([extreme, others])


def spread(scores: Tensor, *, classes: bool) -> Tensor:
    """What differences are measured in, float64, to be broadcast over `scores` `[N, …]`.

    Of class scores `[N, C, …]` each row's own standard deviation, or the rows' median where that is
    more: numbers that are the same for all classes decide nothing. Of other scores the standard
    deviation of each place over the items. Where they hardly differ, as the probability of a
    network that is always sure, rounding would seem large: so it is never below what makes
    ROUNDING the TOLERANCE.
    """
    rows = scores.double()
    if classes:
        own = rows.flatten(1).std(1, correction=0)
        scale = own.clamp(min=float(own.median())).reshape(-1, *[1] * (scores.dim() - 1))
    else:
        scale = rows.std(0, correction=0, keepdim=True)
    return scale.clamp(min=ROUNDING / TOLERANCE)


def difference(once: Tensor, again: Tensor, scale: Tensor) -> float:
    """The largest difference of two scorings of the same items, as a share of their spread."""
    return float(((once.double() - again.double()).abs() / scale).max())


def drown(scores: Tensor, differs: float, scale: Tensor, rng: torch.Generator) -> Tensor:
    """The scores, and noise in which differences of `differs` times their spread are lost."""
    if differs == 0:
        return scores
    noise = torch.randn(scores.shape, generator=rng, dtype=torch.float64)
    return (scores.double() + NOISE * differs * scale * noise).to(scores.dtype)
