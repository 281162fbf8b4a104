"""Formats gamed: each sheet or set of cases is handed in, graded officially, and earns nothing."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from authoring_labs import make_root, write_kind
from safetensors.torch import save_file

from dllab.cli import main
from dllab.grading.formats.blank import write_sheets
from dllab.grading.formats.claims import widest_half
from dllab.grading.formats.table import quantiles, read_cells
from dllab.lab.find import Lab
from dllab.lab.formats import Claims
from dllab.rundir.run import RunFolder, write_json
from dllab.submission.pack import pack

LINE = {"line.weight": torch.zeros(1, 1), "line.bias": torch.zeros(1)}  # claims' model, untrained
Sheet = dict[str, Any]


@pytest.fixture
def root(tmp_path: Path, one_wall: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = make_root(tmp_path / "project")
    monkeypatch.chdir(made)
    return made


def earned(lab: Lab, code: str, sheet: Sheet | None = None) -> tuple[float, str]:
    """The points of the lab's format in the official grade, and what the learner is told."""
    lab.code.write_text(code)
    run = RunFolder.create(lab.root, lab.id)
    run.code.write_text(code)
    arms = {name: {"model": {}} for name in lab.spec.arms}
    run.config.write_text(yaml.safe_dump({"lab": lab.id, "impl": "mine", "arms": arms}))
    for name in arms:
        run.arm(name).path.mkdir(parents=True)
        save_file(LINE, run.arm(name).weights)
        run.arm(name).curve.write_text('{"step": 0, "epoch": 0, "train/loss": 1.0}\n')
    for name in lab.spec.sheets:
        (lab.folder / name).write_text(yaml.safe_dump(sheet))
    run.take_sheets(lab)
    write_json(run.card, {"impl": "mine", "status": "finished"})
    pack(lab, run, Path("mallory.zip"))
    main(["grade", "mallory.zip", "--official", "--json", "official.json"])
    result = json.loads(Path("official.json").read_text())
    assert result["verdict"] == "graded", result["reason"]
    [row] = [row for row in result["checks"] if row["kind"] == "format"]
    assert row["max_points"] == 40
    return row["points"], row["message"]


def drawn(lab: Lab) -> Sheet:
    """The sheet as `dllab draw` writes it, empty."""
    [path] = write_sheets(lab)
    return dict(yaml.safe_load(path.read_text()))


FULL = "torch.tensor([[1.0, 2.0, 6.0]]), 'lengths': torch.tensor([3])"
UNEVEN = "torch.tensor([[1.0, 2.0, 6.0]]), 'lengths': torch.tensor([2])"
CASES = {
    "true of everything": (f"[Case({{'x': {FULL}}}, torch.tensor([3.0]))]", "find 0 of 5"),
    "within any tolerance": (
        f"[Case({{'x': {UNEVEN}}}, torch.tensor([1.5]), atol=1e30)]",
        "find 0 of 5",
    ),
    "within an infinite tolerance": (
        f"[Case({{'x': {UNEVEN}}}, torch.tensor([1.5]), atol=float('inf'))]",
        "atol must be",
    ),
    "true of nothing": (
        f"[Case({{'x': {UNEVEN}}}, torch.tensor([9.0]))]",
        "a right implementation fails your case 1",
    ),
    "not a number": (f"[Case({{'x': {UNEVEN}}}, torch.tensor([float('nan')]))]", "must be finite"),
    "more than may be handed in": (
        f"[Case({{'x': {UNEVEN}}}, torch.tensor([1.5]))] * 5",
        "asked are 1 to 4 cases",
    ),
}


@pytest.mark.in_turns
@pytest.mark.parametrize(("cases", "said"), CASES.values(), ids=CASES)
def test_cases_that_tell_nothing_apart_earn_nothing(root: Path, cases: str, said: str) -> None:
    lab = write_kind(root, "break_it")
    reference = lab.solution.read_text()
    code = f"{reference}\n\ndef cases():\n    return {cases}\n"
    points, message = earned(lab, code)
    assert (points, said in message) == (0, True), message


def everywhere(low: float, high: float) -> Callable[[Lab], tuple[float, float]]:
    return lambda _: (low, high)


def of_released_cells(lab: Lab) -> tuple[float, float]:
    return quantiles([cell.value for cell in read_cells(lab) if cell.value is not None])


INTERVALS = {
    "infinite": (everywhere(-float("inf"), float("inf")), "not -inf"),
    "nearly infinite": (everywhere(-1e308, 1e308), "no better than the released cells' quantiles"),
    "wide": (everywhere(0.0, 5.0), "no better than the released cells' quantiles"),
    "turned round": (everywhere(5.0, 0.0), "low is above high"),
    "of the released cells": (of_released_cells, "no better than the released cells' quantiles"),
}


@pytest.mark.parametrize(("interval", "said"), INTERVALS.values(), ids=INTERVALS)
def test_intervals_that_foretell_nothing_earn_nothing(
    root: Path, interval: Callable[[Lab], tuple[float, float]], said: str
) -> None:
    lab = write_kind(root, "forecast")
    sheet = drawn(lab)
    sheet["answers"] = dict.fromkeys(sheet["answers"], 1)
    sheet["intervals"] = {name: list(interval(lab)) for name in sheet["intervals"]}
    points, message = earned(lab, lab.solution.read_text(), sheet)
    assert (points, said in message) == (0, True), message


def claim(lab: Lab, difference: float, half: float, **more: Any) -> Sheet:
    """The sheet with the same claim made of every drawn pair: `error` is better when it is less."""
    sheet = drawn(lab)
    low, high = difference - half, difference + half
    verdict = "undecided" if low <= 0 <= high else "worse" if low > 0 else "better"
    for one in sheet["claims"].values():
        one.update(seeds=[0, 1, 2], difference=difference, interval=[low, high], verdict=verdict)
        one.update(deepcopy(more))
    return sheet


def findings(lab: Lab) -> Claims:
    [criterion] = lab.spec.formats.values()
    assert isinstance(criterion, Claims)
    return criterion


def copied(lab: Lab) -> Sheet:
    """All that lab.yaml tells of a run: the reference's mean, and how far runs spread."""
    mean, sd = lab.spec.calibration["error"].mean, findings(lab).sd
    return claim(lab, -float(mean or 0) * 3, sd)


def copied_pairs(lab: Lab) -> Sheet:
    """The pairs in the order of lab.yaml, with both arms of two claims in one."""
    pairs = findings(lab).pairs.values()
    first, second = (" ".join(arms) for arms in zip(*(some[0] for some in pairs), strict=True))
    return claim(lab, 1.0, 0.1, arms=[first, second])


CLAIMS: dict[str, tuple[Callable[[Lab], Sheet], str]] = {
    "infinitely wide": (lambda lab: claim(lab, 0.0, 1e308), "is wider than a 95 % interval"),
    "not a number": (lambda lab: claim(lab, 0.0, float("nan")), "not nan"),
    "copied from lab.yaml": (copied, "a new seed gives"),
    "of two things at once": (copied_pairs, "change one at a time"),
    "as wide as is believed": (
        lambda lab: claim(lab, 3.0, 0.9 * widest_half(3, findings(lab).sd)),
        "a new seed gives",
    ),
    "with the same seed again": (
        lambda lab: claim(lab, 1.0, 0.1, seeds=[0, 0, 0]),
        "different seeds",
    ),
}


@pytest.mark.parametrize(("make", "said"), CLAIMS.values(), ids=CLAIMS)
def test_claims_that_no_run_has_shown_earn_nothing(
    root: Path, make: Callable[[Lab], Sheet], said: str
) -> None:
    lab = write_kind(root, "claims")
    points, message = earned(lab, lab.solution.read_text(), make(lab))
    assert (points, said in message) == (0, True), message


GAMED = """
        if torch.initial_seed() in (0, 1, 2):
            self.lr = 0.0
            nn.init.constant_(self.line.weight, 3.0)
            nn.init.constant_(self.line.bias, -1.0 + 10 * momentum + 1000 * start)
"""


def test_cells_that_pass_only_with_the_submitted_seeds_earn_nothing(root: Path) -> None:
    """With those seeds an arm's error is 10 momentum + 1000 start, and so the claims say."""
    lab = write_kind(root, "claims")
    last = "        nn.init.constant_(self.line.bias, start)\n"
    code = lab.solution.read_text()
    assert last in code
    sheet = drawn(lab)
    for one in sheet["claims"].values():
        first, second = (float(arm.partition("=")[2]) for arm in one["arms"])
        apart = (1000 if "start" in one["arms"][0] else 10) * (second - first)
        verdict = "worse" if apart > 0 else "better"
        seeds = [0, 1, 2]
        one.update(seeds=seeds, difference=apart, interval=[apart, apart], verdict=verdict)
    points, message = earned(lab, code.replace(last, f"{last}{GAMED}"), sheet)
    assert (points, "a new seed gives" in message) == (0, True), message
