"""Every lab of the shelf proves itself, as `dllab doctor` does, but for the training.

A new lab joins by being there; nothing in this file names one.
"""

import functools
import sys
from pathlib import Path

import pytest

from dllab.authoring.doctor import LOADS, RULES, Diagnosis, diagnose
from dllab.authoring.rules import FAST
from dllab.lab.find import Lab, all_labs
from dllab.lab.project import find_root

NEEDS = (*FAST, "mutation")
LABS = all_labs(find_root(Path(__file__).parent))


@pytest.fixture(autouse=True)
def _forget_the_room():
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "labs":
            del sys.modules[name]


@functools.cache
def diagnosis_of(lab: Lab) -> Diagnosis:
    [diagnosis] = diagnose([lab], needs=NEEDS)
    return diagnosis


@pytest.mark.parametrize("rule", [LOADS, *(rule.id for rule in RULES if rule.needs in NEEDS)])
@pytest.mark.parametrize("lab", LABS, ids=lambda lab: lab.id)
def test_a_lab_is_sound(lab, rule):
    faults = [fault for fault in diagnosis_of(lab).faults if fault.rule == rule]
    told = "\n".join(f"{fault.message}\n  -> {fault.remedy}" for fault in faults)
    assert not faults, f"{rule}\n{told}"
