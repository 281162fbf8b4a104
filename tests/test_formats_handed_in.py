"""Sheets and cases as learners hand them in: read, or told what is wrong."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dllab.checks import Case, Driver
from dllab.checks.cases import flat
from dllab.checks.probing import ReturnedError
from dllab.grading.batch import with_shared_sheets
from dllab.grading.formats.break_it import read_cases
from dllab.grading.formats.sheets import (
    AbsentError,
    ClaimsSheet,
    ForecastSheet,
    SheetError,
    read_sheet,
)
from dllab.lab.formats import BreakIt
from dllab.report.batch import BatchRow

ID = "0123456789abcdef"
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
