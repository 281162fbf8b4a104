"""The numbers that lab 07's page lets one guess."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

Config = Mapping[str, Any]

FUNCTIONS, ROWS = 64, 2  # what near_texts and candidates take by default


def pairs(_lab: ModuleType, _config: Config) -> int:
    """How many pairs 9,000 pictures have."""
    return math.comb(9000, 2)


def _missed(similarity: float) -> float:
    """How likely two texts agree in no band."""
    return (1 - similarity**ROWS) ** (FUNCTIONS // ROWS)


def missed(_lab: ModuleType, _config: Config) -> float:
    """The probability that a pair which is similar enough does not become a candidate."""
    return _missed(0.6)


def in_vain(_lab: ModuleType, _config: Config) -> float:
    """How likely two texts with little in common are candidates all the same."""
    return 1 - _missed(0.1)


def one_word(lab: ModuleType, _config: Config) -> float:
    """Jaccard's similarity of a text of 42 words and the same text with its middle one replaced."""
    import torch

    text = torch.arange(42)
    one, other = lab.shingles(text), lab.shingles(text.where(text != 20, 99))
    return len(one & other) / len(one | other)


def _calibration() -> Mapping[str, Any]:
    """What lab.yaml records of the criterion that trains on the kept rows."""
    import yaml

    text = (Path(__file__).parents[1] / "lab.yaml").read_text(encoding="utf-8")
    record: Mapping[str, Any] = yaml.safe_load(text)["calibration"]["kept"]
    return record


def audited(_lab: ModuleType, _config: Config) -> float:
    """The share of test pictures that are named rightly by the rows that the reference keeps."""
    return statistics.fmean(_calibration()["values"])


def unaudited(_lab: ModuleType, _config: Config) -> float:
    """The same share, by all rows."""
    return statistics.fmean(_calibration()["mutants"]["everything_kept"])
