"""What the three formats ask of a lab and how they draw and score: lab.yaml, lots, intervals."""

import re
import statistics
from pathlib import Path

import pytest
import torch

from dllab.errors import LabError
from dllab.grading.formats.interval_score import interval_score, skill
from dllab.grading.formats.lots import new_id, pick, pick_some
from dllab.grading.formats.table import quantiles
from dllab.lab.read import load_spec

HERE = Path(__file__).parent
ID = "0123456789abcdef"


def test_a_draw_follows_from_its_purpose_alone() -> None:
    options = [8, 16, 32, 64]
    assert pick(options, ID, "width") == pick(options, ID, "width") == 32
    ids = [new_id() for _ in range(400)]
    assert len(set(ids)) == 400
    drawn = [pick(options, id, "width") for id in ids]
    assert all(60 < drawn.count(option) < 140 for option in options)
    some = pick_some(("a", "b", "c", "d"), 2, ID)
    assert some == pick_some(("d", "c", "b", "a"), 2, ID)[::-1]
    assert len(pick_some(("a", "b"), 5, ID)) == 2


def test_the_interval_score_is_least_for_the_true_quantiles() -> None:
    assert interval_score((1.0, 3.0), 2.0) == 2.0
    assert interval_score((1.0, 3.0), 0.5) == pytest.approx(2.0 + 10 * 0.5)
    assert interval_score((1.0, 3.0), 3.5) == pytest.approx(2.0 + 10 * 0.5)
    values = torch.randn(4000, generator=torch.Generator().manual_seed(0)).tolist()

    def mean(half: float) -> float:
        return statistics.fmean(interval_score((-half, half), value) for value in values)

    right = mean(1.2816)
    assert all(mean(half) > right for half in (0.0, 0.8, 1.8, 10.0))


@pytest.mark.parametrize("half", [0.0, 10.0, 1e6, 1e308])
def test_what_is_no_forecast_is_no_better_than_the_released_cells(half: float) -> None:
    values = torch.randn(200, generator=torch.Generator().manual_seed(0)).tolist()
    baseline = quantiles(values)
    assert skill([(baseline, value) for value in values], baseline) == 0
    assert skill([((-half, half), value) for value in values], baseline) < 0
    assert skill([((value, value), value) for value in values], baseline) == 1


def test_quantiles_are_numpys() -> None:
    assert quantiles([3.0, 1.0, 2.0, 5.0, 4.0]) == pytest.approx((1.4, 4.6))
    assert quantiles([7.0]) == (7.0, 7.0)


KIND_OF = {"break-it": "break_it", "forecast": "forecast", "claims": "claims"}


@pytest.mark.parametrize("kind", KIND_OF)
def test_lab_yaml_is_read_the_same_from_the_cache(tmp_path: Path, kind: str) -> None:
    folder = HERE / "kinds" / KIND_OF[kind]
    first, second = (load_spec(folder, kept=tmp_path) for _ in range(2))
    assert first == second
    [criterion] = second.formats.values()
    assert criterion.kind == kind
    assert second.total == 100
    assert criterion.id in second.manifest(official=False)


@pytest.mark.parametrize(
    ("kind", "old", "new", "said"),
    [
        (
            "claims",
            "kind: claims",
            "kind: claim",
            "criteria.findings.kind is none of metric,",
        ),
        ("claims", "seeds: 3", "seeds: three", "criteria.findings.seeds must be a whole number"),
        ("claims", "seeds: 3", "seed: 3", "unknown key criteria.findings.seed"),
        ("claims", "seeds: 3", "seeds: 2", "criteria.findings: sd must be above 0, and seeds at"),
        ("claims", "measure: error", "measure: errors", "there is no metric 'errors'"),
        ("claims", "    sd: 0.06\n", "", "missing key criteria.findings.sd"),
        ("claims", "cell_s: 20", "cell_s: 90", "cell_s must be at most 60 seconds"),
        ("claims", "metric: error, ", "", "missing key criteria.error.metric"),
        ("claims", "[trainer.max_epochs=2]", "2", "criteria.findings.overrides must be a list"),
        ("forecast", "skill: 0.5", "skill: 0", "skill must lie above 0"),
        ("forecast", "width: [48, 64, 96, 128]", "width: []", "needs values to draw from"),
        ("break_it", "most: 4", "most: 0", "most must be 1 or more"),
        ("break_it", "driver: mean, ", "", "missing key criteria.breaks.driver"),
    ],
)
def test_a_criterion_that_is_wrong_is_told_with_its_key(
    tmp_path: Path, kind: str, old: str, new: str, said: str
) -> None:
    text = (HERE / "kinds" / kind / "lab.yaml").read_text()
    assert old in text
    (tmp_path / "lab.yaml").write_text(text.replace(old, new, 1))
    with pytest.raises(LabError) as caught:
        load_spec(tmp_path)
    assert said in str(caught.value)


def test_two_claims_on_one_sheet_are_refused(tmp_path: Path) -> None:
    text = (HERE / "kinds" / "claims" / "lab.yaml").read_text()
    more = "  more:\n    kind: forecast\n    title: T\n    points: 1\n    answers: {a: b}\n"
    twice = text.replace("  findings:\n", f"{more}  findings:\n")
    (tmp_path / "lab.yaml").write_text(twice)
    assert load_spec(tmp_path).sheets == ("forecast.yaml", "claims.yaml")
    both = twice.replace("    kind: forecast\n", "    kind: claims\n").replace(
        "    answers: {a: b}\n", "    measure: error\n    sd: 1.0\n    pairs: {a: [[b=1, b=2]]}\n"
    )
    (tmp_path / "lab.yaml").write_text(both)
    with pytest.raises(LabError, match="a lab has one claims, on one sheet"):
        load_spec(tmp_path)


def test_the_fragments_for_authors_are_valid(tmp_path: Path) -> None:
    """What docs/authors.md shows of each format is a whole criterion."""
    page = (HERE.parent / "docs" / "authors.md").read_text()
    section = page.partition("## Three formats")[2].partition("\n## ")[0]
    fragments = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    head = "title: T\nsummary: S\nlevel: beginner\npass_score: 0.7\n"
    kinds = set()
    for fragment in fragments:
        (tmp_path / "lab.yaml").write_text(head + fragment)
        kinds |= {one.kind for one in load_spec(tmp_path).formats.values()}
    assert kinds == set(KIND_OF)
