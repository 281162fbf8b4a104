"""The numbers of lab 15's page."""

import math
import statistics
import types
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]
TRUSTED = 240 / 400


def blind_loss(_lab: ModuleType, _config: Config) -> float:
    """The weighted loss of ten equal logits, in nats."""
    return TRUSTED * math.log(10)


def squashed_loss(lab: ModuleType, _config: Config) -> float:
    """The weighted loss of right and sure answers, of which the softmax has been taken, in nats."""
    import torch

    sure, label = torch.eye(10), torch.arange(10)
    return TRUSTED * float(lab.weighted_loss(sure, label, torch.ones(10)))


def halvings(_lab: ModuleType, _config: Config) -> int:
    """The tests that find the first bad one of the versions 1 to 999."""
    return math.ceil(math.log2(999))


def drift(_lab: ModuleType, _config: Config) -> float:
    """How far three of the recorded cases are from what their faults give now."""
    from labs.lab15_bug_clinic._author.mutants import FAULTS
    from labs.lab15_bug_clinic.given import CASES, recorded

    solution = Path(__file__).with_name("solution.py").read_text(encoding="utf-8")
    mutants, far = {mutant.name: mutant for mutant in FAULTS}, []
    for case, name in {"A": "python_list", "F": "train_mode", "L": "rate_per_batch"}.items():
        project, broken = types.ModuleType(name), solution
        for right, wrong in mutants[name].edits:
            broken = broken.replace(right, wrong)
        exec(broken, project.__dict__)  # noqa: S102 - the reference
        for told, found in zip(CASES[case][:2], recorded(project)[:2], strict=True):
            far += [abs(a - b) for a, b in zip(told, found, strict=True)]
    return max(far)


def _calibration() -> Mapping[str, Any]:
    import yaml

    text = (Path(__file__).parents[1] / "lab.yaml").read_text(encoding="utf-8")
    record: Mapping[str, Any] = yaml.safe_load(text)["calibration"]["accuracy"]
    return record


def mended(_lab: ModuleType, _config: Config) -> float:
    """The accuracy of the mended project, over the recorded runs."""
    return statistics.fmean(_calibration()["values"])


def unweighted(_lab: ModuleType, _config: Config) -> float:
    """The accuracy when every loss meets every weight."""
    return statistics.fmean(_calibration()["mutants"]["weights_ignored"])
