"""The hidden check and the hidden play of lab 17. None of it enters the sandbox.

The hidden table is made by data/network_curves/make.py from a seed that is told here alone, from
other configurations and pictures, with wrong labels among those that are learned from:

    make.py --count 240 --again 0 --seed 71 --noise 0.2 --out labs/lab17_hpo/_author/table.csv
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dllab.checks import Arrays, Player, play
from labs.lab17_hpo import checks
from labs.lab17_hpo.given import EPOCHS, SPACE, Table, as_table


@checks.promote.also("burst", "Most have burst")
def burst(rng: torch.Generator) -> Arrays:
    """Where most trainings have burst, nan still comes last."""
    score = torch.randn(10, generator=rng, dtype=torch.float64) - 20
    return {"score": score.where(torch.randperm(10, generator=rng) < 3, torch.nan)}


def hidden_table() -> Table:
    """Curves that no learner has seen."""
    path = Path(__file__).with_name("table.csv")
    rows = torch.from_numpy(np.loadtxt(path, delimiter=",", skiprows=1))
    D = len(SPACE)
    val = D + 2
    return as_table(rows[:, 1 : D + 1], rows[:, val : val + EPOCHS], rows[:, val + EPOCHS :])


@play("hidden-table")
def hidden_play(player: Player, rng: torch.Generator) -> Tensor:
    """How much better than random-64, in points, a search is for half its epochs: hidden curves."""
    return checks.gains(player, hidden_table(), rng, 80)
