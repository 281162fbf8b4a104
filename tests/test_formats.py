"""The three formats in pieces: draws, sheets, the interval score, what a claim says of itself."""

import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from scipy.special import stdtrit

from dllab.checks import Case, Driver
from dllab.checks.cases import flat
from dllab.checks.probing import ReturnedError
from dllab.errors import LabError
from dllab.grading.batch import with_shared_sheets
from dllab.grading.formats.break_it import read_cases
from dllab.grading.formats.claims import allowed_distance, audit, check_claim, widest_half
from dllab.grading.formats.interval_score import interval_score, skill
from dllab.grading.formats.lots import new_id, pick, pick_some
from dllab.grading.formats.sheets import (
    AbsentError,
    Claim,
    ClaimsSheet,
    ForecastSheet,
    SheetError,
    read_sheet,
)
from dllab.grading.formats.table import quantiles
from dllab.lab.formats import BreakIt, Claims
from dllab.lab.read import load_spec
from dllab.report.batch import BatchRow

HERE = Path(__file__).parent
ID = "0123456789abcdef"
SD = 0.01
CLAIMS = Claims(
    id="findings",
    kind="claims",
    title="Findings",
    points=20,
    measure="accuracy",
    pairs={"norm": (("model.norm=none", "model.norm=layer"),)},
    sd=SD,
    overrides=("trainer.max_epochs=2",),
)
PAIR = CLAIMS.pairs["norm"][0]


def claim(**values: Any) -> Claim:
    """A sound claim for five seeds: half the interval is 2.776 · √2 · sd / √5."""
    half = 2.776 * SD * math.sqrt(2 / 5)
    sound = {
        "arms": PAIR,
        "seeds": (0, 1, 2, 3, 4),
        "difference": 0.1,
        "interval": (0.1 - half, 0.1 + half),
        "verdict": "better",
    }
    return Claim(**{**sound, **values})


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


@pytest.mark.parametrize("more_is_better", [True, False])
def test_a_sound_claim_is_sound(more_is_better: bool) -> None:
    said = claim(verdict="better" if more_is_better else "worse")
    check_claim(said, PAIR, CLAIMS, more_is_better=more_is_better)
    arms = tuple(f"trainer.max_epochs=2 {arm}" for arm in PAIR)
    check_claim(said.model_copy(update={"arms": arms}), PAIR, CLAIMS, more_is_better=more_is_better)
    spanning = claim(difference=0.001, interval=(-0.014, 0.016), verdict="undecided")
    check_claim(spanning, PAIR, CLAIMS, more_is_better=more_is_better)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"arms": (PAIR[0], PAIR[0])}, "are the same"),
        ({"arms": PAIR[::-1]}, "in this order"),
        ({"arms": ("model.norm=none", "model.norm=batch")}, "your arms are"),
        ({"arms": ("model.norm=none", "model.norm=layer model.lr=1")}, "2 keys, model.norm and"),
        ({"arms": ("model.norm=none", "layer")}, "'layer' is not of the form"),
        ({"seeds": (0, 1, 2, 3)}, "5 different seeds"),
        ({"seeds": (0, 1, 2, 3, 3)}, "5 different seeds"),
        ({"seeds": None}, "to be filled in"),
        ({"difference": 0.2}, "not in the middle of its own interval"),
        ({"difference": 0.002, "interval": (0.001, 0.04)}, "not in the middle of its own"),
        ({"verdict": "worse"}, "means better, not worse"),
        ({"verdict": "undecided"}, "means better, not undecided"),
        ({"verdict": None}, "means better, not None"),
        ({"interval": (-1e300, 1e300), "verdict": "undecided"}, "is wider than"),
        ({"interval": (0.2, 0.1), "difference": 0.15}, "not in the middle of its own interval"),
    ],
)
def test_a_claim_at_odds_with_itself_is_told(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SheetError, match=said):
        check_claim(claim(**values), PAIR, CLAIMS, more_is_better=True)


CHANCE = torch.randn(12_000, 3, generator=torch.Generator().manual_seed(0)).tolist()


@dataclass(frozen=True)
class World:
    """Where runs end by chance: arms share what a seed does to both, and differ beyond that.

    `first` and `second` are the deviations of each arm's own part; `step` is what one item makes.
    """

    effect: float
    first: float = SD
    second: float = SD
    shared: float = 0.0
    step: float = 0.0

    def run_cell(self, override: str, seed: int) -> float:
        both, first, second = CHANCE[seed]
        value = self.shared * both
        value += self.effect + self.second * second if override == PAIR[1] else self.first * first
        return round(value / self.step) * self.step if self.step else value


def measured(world: World, seeds: Sequence[int]) -> Claim:
    """An honest claim: a difference for each seed, their mean and its 95 % interval."""
    found = [world.run_cell(PAIR[1], seed) - world.run_cell(PAIR[0], seed) for seed in seeds]
    mean = statistics.fmean(found)
    half = float(stdtrit(len(found) - 1, 0.975)) * statistics.stdev(found) / math.sqrt(len(found))
    low, high = mean - half, mean + half
    verdict = "undecided" if low <= 0 <= high else "better" if low > 0 else "worse"
    return claim(seeds=tuple(seeds), difference=mean, interval=(low, high), verdict=verdict)


HONEST = {
    "as in lab.yaml": World(0.02),
    "no effect": World(0.0),
    "a large one": World(0.4),
    "arms that share their seeds": World(0.01, 0.02 * SD, 0.02 * SD, SD),
    "a difference that is always the same": World(0.01, 0.0, 0.0, SD),
    "one arm spreads far less": World(-0.1, 0.1 * SD, SD),
    "code that spreads more": World(0.02, 1.4 * SD, 1.4 * SD),
    "few items decide": World(0.0, 0.2 * SD, 0.2 * SD, SD, step=0.8 * SD),
}


@pytest.mark.parametrize("n", [3, 5, 10])
@pytest.mark.parametrize("world", HONEST.values(), ids=HONEST)
def test_a_claim_that_was_measured_is_refuted_once_in_a_hundred_grades(
    world: World, n: int
) -> None:
    asked, refuted = replace(CLAIMS, seeds=n), 0
    for grade in range(1000):
        *seeds, new = range(12 * grade, 12 * grade + n + 1)
        said = measured(world, seeds)
        try:
            check_claim(said, PAIR, asked, more_is_better=True)
        except SheetError:
            refuted += 1
            continue
        refuted += not audit(said, PAIR, SD, world.run_cell, new).ok
    assert refuted <= 10


def told(difference: float, half: float) -> Claim:
    low, high = difference - half, difference + half
    verdict = "undecided" if low <= 0 <= high else "better" if low > 0 else "worse"
    return claim(difference=difference, interval=(low, high), verdict=verdict)


WIDEST = 0.99 * widest_half(5, SD)
APART = World(0.12)  # 12 deviations of a run: what pairs of a lab are to differ by
ALIKE = World(0.0, 0.02 * SD, 0.02 * SD, SD)  # nothing but the seed, which both arms share
FALSE = {
    "no effect, widely": (told(0.0, WIDEST), APART),
    "no effect, narrowly": (told(0.0, 0.0), APART),
    "the other way": (told(-0.12, SD), APART),
    "the submitted seeds alone": (told(0.25, WIDEST), APART),
    "an effect where there is none": (told(0.12, SD), ALIKE),
    "an effect as small as can be told, narrowly": (told(1.2 * SD, 0.01 * SD), ALIKE),
}


@pytest.mark.parametrize(("said", "world"), FALSE.values(), ids=FALSE)
def test_what_new_runs_do_not_show_is_refuted(said: Claim, world: World) -> None:
    check_claim(said, PAIR, CLAIMS, more_is_better=True)
    passed = sum(audit(said, PAIR, SD, world.run_cell, seed).ok for seed in range(1000))
    assert passed <= 10


def test_a_wide_interval_buys_less_than_it_seems() -> None:
    by_width = [allowed_distance(5, half, SD) for half in (0.0, SD, 2 * SD, WIDEST, 1e300)]
    assert by_width == sorted(by_width)
    assert by_width[0] == SD
    assert by_width[2] == by_width[-1] < 7 * SD


FORECAST = f"""draw: "{ID}"
answers:
  parameters: 77
  bytes:
intervals:
  c1: [0.1, 2]
  c2:
"""


def sheet(folder: Path, text: str | bytes, name: str = "forecast.yaml") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_sheet_is_read(tmp_path: Path) -> None:
    read = read_sheet(sheet(tmp_path, FORECAST), ForecastSheet)
    assert read.answers == {"parameters": 77, "bytes": None}
    assert read.intervals == {"c1": (0.1, 2.0), "c2": None}
    with pytest.raises(AbsentError, match=r"there is no claims\.yaml"):
        read_sheet(tmp_path / "claims.yaml", ClaimsSheet)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("answers: {}", "draw is missing"),
        (f"draw: {ID[:-1]}", "draw must be the 16 digits that `dllab draw` wrote"),
        (f"{FORECAST}more: 1\n", "more is not asked for"),
        (FORECAST.replace("77", "twelve"), "answers.parameters must be a number, not 'twelve'"),
        (FORECAST.replace("77", ".nan"), "answers.parameters must be a number"),
        (FORECAST.replace("77", "true"), "answers.parameters must be a number"),
        (FORECAST.replace("0.1, 2", "0.1"), r"intervals.c1 must be a list as the sheet shows it"),
        (FORECAST.replace("0.1, 2", "0.1, .inf"), "intervals.c1 must be a list"),
        (FORECAST.replace("[0.1, 2]", "wide"), "intervals.c1 must be a list"),
        ("- 1\n", "the sheet must be a mapping"),
        ("", "the sheet must be a mapping"),
        ("a: [" * 30, "not plain YAML|nested"),
        ("[" * 60_000 + "]", "nested more than 20 deep"),
        ("a: &a [1]\nb: [*a, *a]\n", "an alias"),
        ("a: !!python/name:os.system {}\n", "a tag"),
        ("a: " + "9" * 70_000, "the cap is 65536"),
        ("a: " + "9" * 60_000, "not plain YAML"),
        (b"\xff\xfe", "UTF-8"),
        (FORECAST + "".join(f"  d{n}:\n" for n in range(300)), "intervals has more entries"),
    ],
)
def test_a_sheet_that_cannot_be_read_is_told(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(SheetError, match=said) as caught:
        read_sheet(sheet(tmp_path, text), ForecastSheet)
    assert "forecast.yaml" in str(caught.value)
    assert len(str(caught.value)) < 500


BREAKS = BreakIt(id="b", kind="break-it", title="B", points=1, driver="mean", most=3)
DRIVER = Driver("mean", {"x": "float32 [*]"}, {"result": "float32 []"}, lambda lab, given: None)
GIVEN = {"x": torch.ones(2)}


def test_cases_cross_the_wall_as_arrays() -> None:
    cases = [Case(GIVEN, torch.tensor(1.0)), Case({"x": torch.zeros(3)}, torch.tensor(0.0), 0.5, 0)]
    read = read_cases(flat(cases), BREAKS, DRIVER)
    assert [one.atol for one in read] == [1e-5, 0.5]
    assert read[1].given["x"].tolist() == [0, 0, 0]
    assert float(dict(read[0].expected)["result"]) == 1


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([], "1 to 3 cases, not 0"),
        ([Case(GIVEN, torch.tensor(1.0))] * 4, "1 to 3 cases, not 4"),
        ([Case({"x": torch.ones(70_000)}, torch.tensor(1.0))], "more than 65,536 numbers"),
        ([Case({"y": torch.ones(2)}, torch.tensor(1.0))], r"case 1: given: expected the arrays"),
        ([Case({"x": torch.ones(2, 2)}, torch.tensor(1.0))], "case 1: given: x: expected shape"),
        ([Case(GIVEN, torch.tensor(math.nan))], "expected: every number must be finite"),
        ([Case({"x": torch.tensor([math.inf])}, torch.tensor(1.0))], "given: x: every number"),
        ([Case(GIVEN, torch.tensor(1))], "expected: expected float32, got int64"),
        ([Case(GIVEN, torch.tensor(1.0), math.inf)], "case 1: atol"),
        ([Case(GIVEN, torch.tensor(1.0), math.nan)], "case 1: atol"),
        ([Case(GIVEN, torch.tensor(1.0), -1.0)], "case 1: atol"),
        ([Case(GIVEN, torch.tensor(1.0), 0.0, 1.0)], "case 1: atol"),
    ],
)
def test_cases_that_cannot_be_used_are_told(cases: list[Case], said: str) -> None:
    with pytest.raises(SheetError, match=said):
        read_cases(flat(cases), BREAKS, DRIVER)


@pytest.mark.parametrize("cases", [None, "abc", [1], {1: 2}])
def test_what_is_no_list_of_cases_is_told(cases: object) -> None:
    with pytest.raises(ReturnedError, match=r"expected a (list of cases|Case)"):
        flat(cases)


@pytest.mark.parametrize(
    "arrays",
    [
        {"": torch.ones(1)},
        {"2/atol": torch.ones(1)},
        {"1/atol": torch.ones(2)},
        {"1/given/x": torch.ones(2), "1/expected/result": torch.ones(())},
        {"x/given": torch.ones(2), "1/given/x": torch.ones(2)},
    ],
)
def test_forged_cases_are_refused(arrays: dict[str, torch.Tensor]) -> None:
    with pytest.raises(SheetError):
        read_cases(arrays, BREAKS, DRIVER)


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


def test_a_shared_sheet_is_named() -> None:
    def result(draw: str) -> Any:
        rows = [{"draw": draw}, {}]
        return SimpleNamespace(checks=[SimpleNamespace(id="bill", evidence=one) for one in rows])

    learners = [("ada", "a"), ("bob", "b"), ("eve", "a"), ("ada", "a")]
    rows: list[Any] = [
        BatchRow("x.zip", name, "lab90", "graded", True, 1.0, 1.0, "", "", "")
        for name, _ in learners
    ]
    told = with_shared_sheets(rows, [result(draw) for _, draw in learners])
    shared = "a sheet was drawn for {} as well"
    reasons = [shared.format("eve"), "", shared.format("ada"), shared.format("eve")]
    assert [row.reason for row in told] == reasons
