"""The hidden checks of lab 13: what they draw, what is right. None of this enters the sandbox."""

import torch

from dllab.checks import Arrays, Given, check
from labs.lab13_imbalance import checks
from labs.lab13_imbalance._author import probes


@checks.roc_auc.also("roc-ties", "ROC with equal scores")
def roc_ties(rng: torch.Generator) -> Arrays:
    """Equal scores count half."""
    return checks.with_ties(rng)


@checks.average_precision.also("precision-ties", "Precision with equal scores")
def precision_ties(rng: torch.Generator) -> Arrays:
    """Equal scores are found together, whatever their order."""
    return checks.with_ties(rng)


@checks.threshold.also("equal-f1", "Several best thresholds")
def equal_f1(_rng: torch.Generator) -> Arrays:
    """Of several thresholds with the same F1 it is the highest."""
    return {"score": torch.tensor([0.9, 0.7, 0.5, 0.3]).double(), "hit": torch.tensor([1, 0, 0, 1])}


@checks.calibration_error.also("empty-bins", "Empty bins")
def empty_bins(rng: torch.Generator) -> Arrays:
    """Bins without items count nothing."""
    score = torch.rand(20, generator=rng, dtype=torch.float64) / 10 + 0.3
    score[10:] += 0.3
    hit = torch.tensor([1] * 8 + [0] * 2 + [0] * 7 + [1] * 3)
    return {"score": score, "hit": hit}


@checks.temperature.also("all-right", "A temperature at the end")
def all_right(rng: torch.Generator) -> Arrays:
    """Where every item is right, the best temperature is the lowest that is allowed."""
    logits = torch.randn(30, 4, generator=rng)
    label = logits.argmax(1)
    logits[torch.arange(30), label] += 1
    return {"logits": logits, "label": label}


@checks.focal_loss.also("far-logits", "Loss of far-apart logits")
def far_logits(rng: torch.Generator) -> Arrays:
    """The loss and its gradient are finite for logits hundreds apart, and gamma may be 0."""
    return {
        "logits": 300 * torch.randn(8, 4, generator=rng),
        "label": torch.randint(4, (8,), generator=rng),
        "weight": torch.rand(4, generator=rng) + 0.5,
        "gamma": torch.tensor(0.0),
    }


def chance(rng: torch.Generator) -> torch.Tensor:
    """Draw the shares of four classes, float64 [4]."""
    return checks.chances(1, 4)(rng)[0]


@check(
    "other-world",
    "Decisions in another world",
    given={
        "logits": checks.doubles(40, 4, low=-3, high=3),
        "from_C": chance,
        "to_C": chance,
        "cost": checks.costs(4),
    },
    probe=probes.other_world,
    depends_on=("adjust", "decide"),
    hint="adjust",
    **checks.EXACT,
)
def other_world(given: Given) -> Arrays:
    """In another world belief follows Bayes' rule, and decisions follow belief."""
    p = given.logits.softmax(1) * given.to_C / given.from_C
    p = p / p.sum(1, keepdim=True)
    return {"belief": p, "decision": (p @ given.cost).argmin(1)}


@checks.draw_evenly.also("one-item", "A class of one item")
def one_item(rng: torch.Generator) -> Arrays:
    """A class of a single item is drawn as often as one of two hundred."""
    return checks.sizes(200, 40, 1)(rng)


@checks.scores.also("alone", "A single image")
def alone(rng: torch.Generator) -> Arrays:
    """One image alone gets its scores, too."""
    drawn = {name: draw(rng) for name, draw in checks.WORLD.items()}
    return drawn | {name: drawn[name][:1] for name in ("logits", "label")}
