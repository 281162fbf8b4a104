"""The hidden checks of lab 08: what they draw, what is right. None of this enters the sandbox.

Where scikit-learn does the same, it is the right answer.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dllab.checks import Arrays, Given, Outcome, check, every, holds, integers, normal
from labs.lab08_classic_ml import checks
from labs.lab08_classic_ml._author import probes


@checks.ridge.also("wide-ridge", "More columns than rows")
def wide_ridge(rng: torch.Generator) -> Arrays:
    """Ridge has an answer where there are more columns than rows."""
    x = torch.randn(5, 7, generator=rng) + 2
    return {"x": x, "y": torch.randn(5, 1, generator=rng) - 4, "penalty": torch.tensor(0.7)}


@check(
    "both-ways",
    "Closed form and gradient agree",
    given=checks.uneven_table,
    probe=probes.both_ways,
    atol=1e-3,
    depends_on=("ridge",),
    hint="objective",
)
def both_ways(_given: Given) -> Arrays:
    """Where `ridge` ends, the objective's gradient is 0: nothing is left to descend."""
    return {"gradient of the weight": torch.zeros(3, 2), "gradient of the bias": torch.zeros(2)}


def two_clouds(distance: float, penalty: float) -> Callable[[torch.Generator], Arrays]:
    """Draw 40 items of two classes."""

    def draw(rng: torch.Generator) -> Arrays:
        target = torch.tensor([-1.0, 1.0]).repeat(20)[:, None]
        x = torch.randn(40, 3, generator=rng).clamp(-2, 2)
        x[:, 0] += distance * target[:, 0]
        return {"x": x, "target": target, "penalty": torch.tensor(penalty)}

    return draw


def as_arrays(machine: Any) -> tuple[Tensor, Tensor]:
    """Weight [F] and bias [1] of a linear model of scikit-learn."""
    return torch.tensor(machine.coef_[0]).float(), torch.tensor(machine.intercept_).float()


@check(
    "logistic-fit",
    "Logistic regression, as scikit-learn has it",
    given=two_clouds(0.7, 0.05),
    probe=probes.logistic_fit,
    atol=1e-3,
    rtol=1e-3,
    depends_on=("objective",),
    hint="objective",
)
def logistic_fit(given: Given) -> Arrays:
    """The minimum of the logistic objective is scikit-learn's LogisticRegression."""
    from sklearn.linear_model import LogisticRegression  # slow to import

    strength = 1 / (len(given.x) * float(given.penalty))
    machine = LogisticRegression(C=strength, tol=1e-8, max_iter=1000)
    weight, bias = as_arrays(machine.fit(given.x.numpy(), given.target[:, 0].numpy()))
    return {"weight": weight, "bias": bias}


@check(
    "linear-machine",
    "Support vector machine, as scikit-learn has it",
    given=two_clouds(1.5, 0.01),
    probe=probes.linear_machine,
    atol=2e-3,
    rtol=2e-3,
    depends_on=("objective",),
    hint="objective",
)
def linear_machine(given: Given) -> Arrays:
    """The minimum of the hinge objective is scikit-learn's LinearSVC, with its margin."""
    from sklearn.svm import LinearSVC

    # It penalises the bias, unless that is the weight of a very large column.
    how = {"dual": False, "tol": 1e-8, "max_iter": 10_000, "intercept_scaling": 1e3}
    machine = LinearSVC(C=1 / (len(given.x) * float(given.penalty)), **how)
    weight, bias = as_arrays(machine.fit(given.x.numpy(), given.target[:, 0].numpy()))
    return {"weight": weight, "bias": bias, "the width of the margin": 2 / weight.norm()}


@checks.histograms.also("plain-images", "Plain and striped images")
def plain_images(rng: torch.Generator) -> Arrays:
    """A plain image votes for nothing, stripes for one direction."""
    image = torch.full((3, 1, 8, 4), 7, dtype=torch.uint8)
    image[1, 0, torch.randint(8, (), generator=rng)] = 200
    image[2, 0, :, torch.randint(4, (), generator=rng)] = 90
    return {"image": image}


def four_blobs(rng: torch.Generator) -> Arrays:
    """Draw four groups of unequal size, and a seed."""
    middle = 6 * torch.tensor([[0.0, 0], [0, 1], [1, 0], [2, 2]])
    group = torch.tensor([0] * 60 + [1] * 25 + [2] * 10 + [3] * 25)
    x = middle[group] + torch.randn(120, 2, generator=rng)
    return {"x": x, "seed": torch.randint(10_000, (), generator=rng)}


@check(
    "inertia",
    "k-means against scikit-learn",
    given=four_blobs,
    probe=probes.inertia,
    returns={"center": "float32 [4, 2]"},
    depends_on=("seeds", "lloyd"),
    hint="lloyd",
)
def inertia(given: Given, got: Arrays) -> Outcome:
    """The best of eight runs costs no more than 1.02 times what scikit-learn's KMeans does."""
    from sklearn.cluster import KMeans

    theirs = KMeans(4, n_init=8, random_state=0).fit(given.x.double().numpy()).inertia_
    distance = torch.cdist(given.x.double(), got["center"].double())
    own = float(distance.amin(1).square().sum())
    return holds(own <= 1.02 * theirs, f"expected an inertia of {theirs:.4g}, got {own:.4g}")


@check(
    "boosted-table",
    "Boosting, as scikit-learn does it",
    given={"x": normal(40, 3), "y": normal(40, mean=4)},
    probe=probes.boosted_table,
    atol=1e-3,
    depends_on=("boost",),
    hint="boost",
)
def boosted_table(given: Given) -> Tensor:
    """25 stumps predict what those of scikit-learn's GradientBoostingRegressor do."""
    from sklearn.ensemble import GradientBoostingRegressor

    how = {"n_estimators": 25, "learning_rate": 0.3, "max_depth": 1}
    machine = GradientBoostingRegressor(**how).fit(given.x.numpy(), given.y.numpy())
    return torch.from_numpy(machine.predict(given.x.numpy())).float()


@checks.posterior.also("more-classes", "Five classes in four dimensions")
def more_classes(rng: torch.Generator) -> Arrays:
    """Each item's probabilities are right and finite, however far it is from all classes."""
    root = torch.randn(5, 4, 4, generator=rng)
    x = torch.randn(6, 4, generator=rng)
    x[3:] *= torch.tensor([10.0, 100, 1000])[:, None]
    return {
        "x": x,
        "prior": torch.tensor([0.5, 0.3, 0.1, 0.08, 0.02]),
        "mean": torch.randn(5, 4, generator=rng),
        "covariance": root @ root.mT + torch.eye(4),
    }


SAMPLES, SIZE = 150, 60


@check(
    "coverage",
    "The interval against theory",
    given={"sample": normal(SAMPLES, SIZE), "seed": integers(0, 10_000)},
    probe=probes.coverage,
    returns={"ends": f"float32 [{SAMPLES}, 2]"},
    depends_on=("interval",),
    hint="interval",
)
def coverage(_given: Given, got: Arrays) -> Outcome:
    """Intervals of normal samples are as wide as theory says, and 95 % of them hold the truth."""
    low, high = got["ends"].unbind(1)
    theory = 2 * 1.96 / SIZE**0.5
    ratio = float((high - low).mean()) / theory
    inside = float(((low < 0) & (high > 0)).float().mean())
    return every(
        holds(0.92 < ratio < 1.05, f"expected a mean width of {theory:.3f}, got {ratio:.3f} of it"),
        holds(inside > 0.85, f"expected the truth in 95 % of the intervals, got {inside:.0%}"),
    )
