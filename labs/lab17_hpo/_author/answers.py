"""The numbers that lab 17's page lets one guess, and its picture, from the reference and the table.

python -m labs.lab17_hpo._author.answers    # draws figures/budget.svg
"""

import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from labs.lab17_hpo.given import EPOCHS, ETA, SPACE, Table, finalists, public_table, run

Config = Mapping[str, Any]
table = cache(public_table)


def rates_below(lab: ModuleType, _config: Config) -> float:
    """Per cent of the learning rates that lie below 0.1."""
    rate = lab.scale(SPACE[0], torch.linspace(0, 1, 10001, dtype=torch.float64))
    return 100 * float((rate < 0.1).double().mean())


def round_of_hyperband(lab: ModuleType, _config: Config) -> int:
    """Epochs that all brackets take for most = 9."""
    return sum(lab.cost(lab.rungs(n, e, EPOCHS, ETA)) for n, e in lab.brackets(EPOCHS, ETA))


def doubled(lab: ModuleType, _config: Config) -> float:
    """Points of validation accuracy that 64 random trainings find more than 32."""
    final = table().val_NE[:, -1]
    return 100 * float(lab.expected_best(final, 64) - lab.expected_best(final, 32))


def doubled_in_test(_lab: ModuleType, _config: Config) -> float:
    """The same in test accuracy of the winners."""
    order = table().val_NE[:, -1].argsort(stable=True)
    test = table().test_NE[order, -1]
    return 100 * float(by_luck(test, 64) - by_luck(test, 32))


def by_luck(ranked: Tensor, count: int) -> Tensor:
    """The mean of what belongs to the best of `count` draws, worst rank first."""
    ways = math.comb(len(ranked), count)
    chance = [math.comb(k, count - 1) / ways for k in range(len(ranked))]
    return ranked @ torch.tensor(chance, dtype=ranked.dtype)


def optimism(lab: ModuleType, _config: Config) -> float:
    """Points by which the best of 500 loses when it is trained afresh."""
    return 100 * float(lab.report(*finalists())["optimism"])


def noise(lab: ModuleType, _config: Config) -> float:
    """Points of test accuracy from seed to seed."""
    return 100 * float(lab.report(*finalists())["noise"])


# The picture --------------------------------------------------------------------------------------

RUNS, BUDGETS = 20, range(27, 289, 3)
LEFT, RIGHT, TOP, BOTTOM = 60, 560, 20, 230
STYLE = (
    "text { fill: #24292f } .axis { stroke: #57606a; fill: none } "
    ".a { stroke: #3b6fb6; fill: none; stroke-width: 2 } .b { stroke: #b9770e; fill: none; "
    "stroke-width: 2; stroke-dasharray: 7 3 } .c { stroke: #57606a; stroke-dasharray: 2 4 } "
    "@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .a { stroke: #6ea8fe } "
    ".b { stroke: #e3a857 } .axis, .c { stroke: #9aa4ae } }"
)


def curve(lab: ModuleType, searching: Any, t: Table) -> Tensor:
    """The mean incumbent of many runs of a search, at each budget; final accuracy of the leader."""
    found = []
    for seed in range(RUNS):
        rng = torch.Generator().manual_seed(seed)
        ledger = run(searching(t.unit_ND, BUDGETS[-1], EPOCHS, rng), t.val_NE, BUDGETS[-1])
        best = torch.stack([score.max() for score in ledger.score])
        found.append(lab.incumbent(torch.tensor(ledger.paid), best, torch.tensor(BUDGETS)))
    return torch.stack(found).mean(0)


def picture(lab: ModuleType) -> Iterator[str]:
    """The lines of figures/budget.svg."""
    t = table()
    final = t.val_NE[:, -1]
    by_chance = torch.stack([lab.expected_best(final, b // EPOCHS) for b in BUDGETS])
    goal = float(lab.expected_best(final, 64))
    low, high = 0.68, 0.81
    x = lambda b: LEFT + (RIGHT - LEFT) * b / BUDGETS[-1]  # noqa: E731
    y = lambda v: BOTTOM - (BOTTOM - TOP) * (v - low) / (high - low)  # noqa: E731
    yield (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 270" font-size="13" role="img" '
        'font-family="system-ui, sans-serif" aria-label="Best validation accuracy against epochs '
        'paid, of your search and of random search">'
    )
    yield f"<style>{STYLE}</style>"
    yield f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
    for v in (0.7, 0.75, 0.8):
        yield f'<text x="{LEFT - 8}" y="{y(v) + 4:.0f}" text-anchor="end">{v:.2f}</text>'
    for b in (27, 72, 144, 216, 288):
        yield f'<text x="{x(b):.0f}" y="{BOTTOM + 18}" text-anchor="middle">{b}</text>'
    yield f'<text x="{RIGHT}" y="{BOTTOM + 36}" text-anchor="end">epochs paid</text>'
    yield f'<path class="c" d="M{LEFT} {y(goal):.1f}H{RIGHT}"/>'
    for kind, values in (("a", curve(lab, lab.search, t)), ("b", by_chance)):
        points = [f"{x(b):.1f} {y(float(v)):.1f}" for b, v in zip(BUDGETS, values, strict=True)]
        yield f'<path class="{kind}" d="M{"L".join(points)}"/>'
    for row, (kind, name) in enumerate(
        (("a", "your search"), ("b", "random search"), ("c", "random, 64 · 9 epochs"))
    ):
        yield f'<path class="{kind}" d="M{RIGHT - 190} {150 + 20 * row}h24"/>'
        yield f'<text x="{RIGHT - 160}" y="{154 + 20 * row}">{name}</text>'
    yield "</svg>"


if __name__ == "__main__":
    from labs.lab17_hpo._author import solution

    drawn = "\n".join(picture(solution)) + "\n"
    (Path(__file__).parents[1] / "figures/budget.svg").write_text(drawn, encoding="utf-8")
