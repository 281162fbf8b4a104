"""The numbers that lab 25's page tells: from reference, config, and the scorer's own classifier."""

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from dllab.data import load
from labs.lab25_gan import checks

Config = Mapping[str, Any]


def parameters(lab: ModuleType, config: Config) -> int:
    """Learned numbers of both players."""
    return sum(p.numel() for p in lab.Model(**config["model"]).parameters())


def blind_loss(lab: ModuleType, _config: Config) -> float:
    """The critic's loss in the game "minimax" while all its verdicts are 0."""
    return float(lab.critic_loss(torch.zeros(4), torch.zeros(4), "minimax"))


def flat_penalty(lab: ModuleType, config: Config) -> float:
    """What a critic pays whose verdict is the same everywhere."""
    x = torch.randn(4, 1, 8, 8)
    return config["model"]["penalty"] * float(lab.gradient_penalty(lambda x: 0 * x.sum(), x))


def short_way(_lab: ModuleType, _config: Config) -> float:
    """How long noise is halfway along a straight line, as a share of noise that is drawn."""
    return math.sqrt(0.5)


def _digits(part: str) -> tuple[torch.Tensor, torch.Tensor]:
    digits = load("digits", part)
    return checks.pixels(digits["image"]), digits["label"]


def scorer_accuracy(_lab: ModuleType, _config: Config) -> float:
    """How often the scorer's classifiers are right about test digits: the mean of five."""
    x, label = _digits("test")
    judges = [checks.Judge(torch.Generator().manual_seed(seed)) for seed in range(5)]
    return sum(float((judge.classes(x) == label).float().mean()) for judge in judges) / 5


def real_copies(_lab: ModuleType, _config: Config) -> float:
    """The share of test digits that would count as copies of training digits."""
    return float(checks.is_copy(_digits("test")[0], _digits("train")[0]).float().mean())


class _Gaussians:
    """Ten normal distributions, one fitted to the training digits of each class."""

    def sample(self, n: int, seed: int) -> torch.Tensor:
        """Pictures, float32 [n, 1, 8, 8]."""
        rng, (x, label) = torch.Generator().manual_seed(seed), _digits("train")
        found = []
        for digit, some in enumerate(torch.arange(n).chunk(10)):
            own = x[label == digit]
            root = torch.linalg.cholesky(own.T.cov() + 1e-3 * torch.eye(64))
            found.append(own.mean(0) + torch.randn(len(some), 64, generator=rng) @ root.T)
        return torch.cat(found).clamp(-1, 1).view(n, 1, 8, 8)


class _Items:
    inputs = load("digits", "test")


def gaussians(_lab: ModuleType, _config: Config) -> float:
    """What ten normal distributions get for precision and recall."""
    rng = torch.Generator().manual_seed(0)
    return float(checks.likeness.measure(_Gaussians(), rng, _Items()).mean())
