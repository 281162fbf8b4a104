"""Honest work in many forms has all points: a small lab's and the references' variants."""

import importlib
from pathlib import Path
from types import ModuleType

import pytest
import torch
from official_lab import HONEST, make_stage

from dllab.authoring.proof import examine
from dllab.grading.official import Terms, grade_archive
from dllab.lab.find import find_lab, finished_labs
from dllab.sandbox.backends import open_backend

EACH = 2


@pytest.fixture
def variants(repo: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, which is run from the repository's root."""
    monkeypatch.syspath_prepend(repo)
    return importlib.import_module("bench.honest.variants")


@pytest.mark.in_turns
def test_variants_of_the_references_are_python(repo: Path, variants: ModuleType) -> None:
    """And all that they can be is tried among the first two hundred."""
    seen = set()
    for seed in range(200):
        labs = finished_labs(repo)
        source = labs[seed % len(labs)].solution.read_text()
        made = variants.variant(source, seed)
        assert made == variants.variant(source, seed)
        compile(made.code, "lab.py", "exec")
        seen |= set(made.changes)
    kinds = (variants.HABITS, variants.REWRITES, variants.WAYS, variants.LAYOUTS)
    assert {*variants.ENCODINGS, *variants.DTYPES}.union(*kinds) == seen


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, 6 * EACH, EACH))
def test_variants_of_honest_work_have_all_points(
    tmp_path: Path, variants: ModuleType, first: int
) -> None:
    stage = make_stage(tmp_path)
    archive, out = stage.submit("ada"), tmp_path / "variant.zip"
    with open_backend("auto") as wall:
        for seed in range(first, first + EACH):
            one = variants.variant(HONEST, seed)
            terms = Terms(stage.root, wall, hidden=stage.hidden)
            result = grade_archive(variants.handed_in(archive, one, out), terms)
            assert variants.wrongs(result) == [], one.changes
            assert result.score == result.max_score


def test_bits_are_compared_whatever_threads_the_learner_asks_for(repo: Path) -> None:
    """Lab 14 holds a run that was killed, in a child of one thread, against one that was not."""
    lab, threads = find_lab(repo, "14"), torch.get_num_threads()
    asks = f"{lab.solution.read_text()}\n\nimport torch\n\ntorch.set_num_threads(2)\n"
    try:
        [finding] = examine(lab, asks, ["killed-hard"])
    finally:
        torch.set_num_threads(threads)
    assert finding.passed, finding.message
