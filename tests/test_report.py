"""The rubric in the terminal, and report.html, about runs that were really trained."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import report_runs

from dllab.lab.find import Lab, find_lab
from dllab.report.advice import Step
from dllab.report.html import write_report
from dllab.report.rubric import read_rubric
from dllab.report.terminal import print_rubric, print_steps
from dllab.result import Result
from dllab.rundir.run import RunFolder

ARMS = ("clothes", "vowels", "reviews", "chars")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two graded runs of one lab; the later one has an arm of every kind of data."""
    root = report_runs.make_project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        report_runs.grade_run(report_runs.make_run(root, name="20261120T101500Z-aaaaaa", lr=3e-4))
        report_runs.grade_run(report_runs.make_run(root, name="20261121T221144Z-bbbbbb", arms=ARMS))
    return root


@pytest.fixture
def lab(project: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.chdir(project)
    return find_lab(project, "90")


def run_of(project: Path, name: str) -> RunFolder:
    return RunFolder(next(project.glob(f"runs/*/*{name}")))


def with_loss(project: Path, **changes: Any) -> Result:
    """The later run's result with another row for the check `loss`."""
    result = run_of(project, "bbbbbb").read_result()
    linear, loss, *rest = result.checks
    return replace(result, checks=(linear, replace(loss, **changes), *rest))


def printed(result: Result, lab: Lab, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    print_rubric(result, lab, file=file, report=Path("runs/x/report.html"))
    file.flush()
    return raw.getvalue().decode(encoding)


@pytest.mark.in_turns
def test_the_rubric_says_measured_against_asked_and_what_is_open(project: Path, lab: Lab) -> None:
    result = run_of(project, "bbbbbb").read_result()
    text = printed(result, lab)
    value = result.metrics[0].value
    assert re.search(rf"{value:.3f} \[0\.\d+, 0\.\d+\]\s+≥ 0\.79", text)
    assert "expected the loss to be 2.30259, got nan" in " ".join(text.split())
    assert "→ dllab hint 90 loss" in text
    assert "runs/x/report.html" in text
    assert re.search(r"^passed  \S+ of 45 points", text, re.MULTILINE)


@pytest.mark.in_turns
def test_a_pipe_gets_plain_lines_of_at_most_80(project: Path, lab: Lab) -> None:
    text = printed(run_of(project, "bbbbbb").read_result(), lab)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_terminal_without_unicode_gets_ascii(project: Path, lab: Lab) -> None:
    text = printed(run_of(project, "bbbbbb").read_result(), lab, "ascii")
    assert "FAIL" in text
    assert ">= 0.79" in text


def test_control_codes_in_learner_text_never_reach_the_terminal(project: Path, lab: Lab) -> None:
    text = printed(with_loss(project, message="\x1b[2Jgot [bold]this[/bold]"), lab)
    assert "\x1b" not in text
    assert "[bold]this[/bold]" in text


def test_the_reference_is_called_so(project: Path, lab: Lab) -> None:
    result = run_of(project, "bbbbbb").read_result()
    assert "reference" not in printed(result, lab)
    assert "cannot be submitted" in printed(replace(result, impl="reference"), lab)


def test_a_next_step_can_be_pasted_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """make runs dllab from .venv, which the person's own shell may know nothing of."""

    def steps() -> str:
        file = io.StringIO()
        print_steps([Step("Pack it.", "dllab submit 01"), Step("Again.", "make lab-01")], file)
        return file.getvalue()

    program = tmp_path / ".venv/bin/dllab"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "  .venv/bin/dllab submit 01\n" in steps()
    assert "  make lab-01\n" in steps()
    monkeypatch.setenv("PATH", str(program.parent))
    assert "  dllab submit 01\n" in steps()


def test_a_required_check_is_named_where_points_alone_would_pass(project: Path, lab: Lab) -> None:
    result = replace(with_loss(project, required=True), passed=False)
    assert "Stable cross-entropy" in read_rubric(replace(result, score=40), lab).why_not
    assert "31.5 points" in read_rubric(replace(result, score=20), lab).why_not


class Page(HTMLParser):
    """Whether tags close in order, and which addresses the page would fetch."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.images = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.images += tag == "img"
        for name in ("src", "href"):
            address = values.get(name)
            if address and not address.startswith(("data:", "#")):
                self.fetched.append(address)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(project: Path, lab: Lab) -> None:
    path = write_report(project, run_of(project, "bbbbbb"))
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert page.fetched == []
    assert "@import" not in text
    assert page.images == 12
    assert len(text) < 400_000


def test_the_page_shows_every_part_of_a_full_run(project: Path, lab: Lab) -> None:
    text = write_report(project, run_of(project, "bbbbbb")).read_text(encoding="utf-8")
    for title in (
        "Rubric",
        "What to try next",
        "Where this run stands",
        "Since the run before",
        "What it cost",
        *(f"Training: {arm}" for arm in ARMS),
    ):
        assert f"<h2>{title}</h2>" in text
    assert text.count('class="plot"') == 16  # loss, accuracy, rate and gradient of each arm
    assert "ankle boot" in text
    assert "<polyline" in text
    assert "<blockquote>" in text
    assert "over 2 seeds" in text
    assert "3.18 TFLOP" in text
    assert "estimated at 10 W" in text
    assert "model.lr" in text  # what changed since the run before


def test_a_style_of_pictures_meets_no_cell_of_a_table(repo: Path) -> None:
    pages = [page.read_text() for page in (repo / "src/dllab/report").glob("*.j2")]
    pictures, cells = (
        {word for page in pages for words in re.findall(tag, page) for word in words.split()}
        for tag in (r'<svg[^>]* class="([^"{]+)', r'<t[drh][^>]* class="([^"{]+)')
    )
    assert pictures
    assert cells
    assert not pictures & cells


def test_what_comes_from_learner_code_is_escaped(project: Path, lab: Lab) -> None:
    text = write_report(project, run_of(project, "bbbbbb")).read_text(encoding="utf-8")
    assert "<b>logits</b>" not in text
    assert "&lt;b&gt;logits&lt;/b&gt;" in text


def test_an_interrupted_run_has_a_page_that_says_how_to_go_on(project: Path, lab: Lab) -> None:
    run = RunFolder(project / "runs" / report_runs.LAB / "20261119T000000Z-cccccc")
    (run.path / "arms" / "clothes").mkdir(parents=True)
    whole = run_of(project, "aaaaaa")
    run.config.write_text(whole.config.read_text())
    lines = whole.arm("clothes").curve.read_text().splitlines(keepends=True)
    run.arm("clothes").curve.write_text("".join(lines[:20]) + '{"step": 99, "tr')
    run.card.write_text(json.dumps({"status": "interrupted", "error": "stopped at <step> 9"}))
    text = write_report(project, run).read_text(encoding="utf-8")
    assert f"dllab train 90 --resume {run.id}" in text
    assert "stopped at &lt;step&gt; 9" in text
    assert "<h2>Training</h2>" in text
    assert "Rubric" not in text


def test_predictions_of_other_items_are_left_out(project: Path, lab: Lab) -> None:
    import torch
    from safetensors.torch import save_file

    run = report_runs.make_run(project, name="20261118T000000Z-dddddd", lr=1e-7)
    report_runs.grade_run(run)
    path = run.arm("clothes").predictions
    save_file({"scores": torch.zeros(3, 10), "label": torch.zeros(3, dtype=torch.int64)}, path)
    text = write_report(project, run).read_text(encoding="utf-8")
    assert "Confusion" not in text
    assert "Multiply the learning rate by 10" in text  # the curve doctor's advice
