"""Experiments: what a page says of runs comes from recorded runs, and the doctor says when not."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from authoring_labs import make_root, write_kind

from dllab.authoring.answers import Answers, shown, spread
from dllab.authoring.curve_picture import PICTURE, band_of
from dllab.authoring.doctor import diagnose
from dllab.authoring.experiments import run_experiments, value_of
from dllab.authoring.generated import lab_page
from dllab.authoring.kept import KeptTrials
from dllab.authoring.tables import experiment_table
from dllab.authoring.trial import Trial
from dllab.cli.main import main
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.mutants import load_mutants, plant
from dllab.report.curves import read_series
from dllab.result import MetricRow

EXPERIMENTS = """\
# what the page tells of
experiments:
  reference:
    title: The reference
    seeds: [0, 1]
    measures: [rest, min val/loss]
    curve: val/loss
  still:
    title: No step at all
    overrides: [model.lr=0.0]  # an ablation is a switch
    seeds: [0]
    measures: [rest]
  uphill:
    title: The gradient taken uphill
    mutant: uphill
    seeds: [0]
    measures: [rest]
    curve: val/loss

"""


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    root = make_root(tmp_path)
    monkeypatch.chdir(root)
    made = write_kind(root, "control")
    spec = made.folder / "lab.yaml"
    spec.write_text(spec.read_text().replace("starter_sha256:", f"{EXPERIMENTS}starter_sha256:"))
    return Lab(root, made.folder)


def again(lab: Lab) -> Lab:
    """The lab as its files are now."""
    return Lab(lab.root, lab.folder)


def told(lab: Lab) -> list[str]:
    """What the doctor says of the lab's experiments."""
    [diagnosis] = diagnose([again(lab)], needs=["text"])
    return [fault.message for fault in diagnosis.faults if fault.rule == "experiments"]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def keep_trials(lab: Lab, *names: str) -> None:
    """What runs of these experiments (default: all) gave before a recording was interrupted."""
    kept = KeptTrials(lab, "experiments")
    for one in [lab.spec.experiments[name] for name in names or lab.spec.experiments]:
        for seed in one.seeds:
            curve = [{"step": s, "epoch": 0, "val/loss": 1 / s + seed} for s in range(1, 200)]
            trial = Trial(
                seed, 0, metrics={"rest": MetricRow("rest", 0.9 + seed / 7)}, curves={"main": curve}
            )
            source = None if not one.mutant else mutant_source(lab)
            kept.get_or_run(source, seed, lambda trial=trial: trial, one.overrides)


def mutant_source(lab: Lab) -> str:
    [uphill] = [mutant for mutant in load_mutants(lab) if mutant.name == "uphill"]
    return plant(uphill, lab.solution.read_text())


@pytest.mark.in_turns
@pytest.mark.slow
def test_experiments_are_run_recorded_and_drawn(lab, capsys):
    assert sorted(told(lab)) == [
        "curves.svg is not drawn from these runs",
        *(f"{name} has no recorded runs" for name in ("reference", "still", "uphill")),
    ]
    before = (lab.folder / "lab.yaml").read_text()
    keep_trials(lab, "reference")
    assert main(["calibrate", "90", "--experiments", "--jobs", "2"]) == 0
    progress = capsys.readouterr().err
    assert progress.count("\n") == 4
    assert "reference, seed 1: rest 1.043, min val/loss" in progress
    found = {name: one.record.values["rest"] for name, one in again(lab).spec.experiments.items()}
    assert found["reference"] == (0.9, 1.043)
    assert found["uphill"] < found["still"] < (0.0,), "both were trained just now"
    lines = (lab.folder / "lab.yaml").read_text().splitlines()
    own = re.compile(r"    record:|      (values|recipe|date): ")
    assert [line for line in lines if not own.match(line)] == before.splitlines()
    assert told(lab) == []


def test_what_was_run_before_an_interruption_counts(lab, monkeypatch, capsys):
    keep_trials(lab)
    monkeypatch.setattr("dllab.authoring.experiments.run_trial", None)  # nothing is run any more
    assert main(["calibrate", "90", "--experiments"]) == 0
    assert "3 of 3 experiments written, drawn anew" in capsys.readouterr().out
    assert told(lab) == []
    assert main(["calibrate", "90", "--experiments"]) == 0
    assert "0 of 3 experiments written\n" in capsys.readouterr().out


@pytest.fixture
def recorded(lab, capsys) -> Lab:
    keep_trials(lab)
    assert main(["calibrate", "90", "--experiments"]) == 0
    capsys.readouterr()
    return again(lab)


@pytest.mark.parametrize(
    ("file", "old", "new", "stale"),
    [
        ("conf/config.yaml", "lr: 0.05", "lr: 0.06", ["reference", "still", "uphill"]),
        ("lab.yaml", "model.lr=0.0]", "model.lr=0.1]", ["still"]),
        (
            "lab.yaml",
            "seeds: [0, 1]\n    measures",
            "seeds: [0, 1, 2]\n    measures",
            ["reference"],
        ),
        ("lab.yaml", "measures: [rest]\n    curve", "measures: [val/loss]\n    curve", ["uphill"]),
        ("README.md", "# control", "# A cart", []),
    ],
)
def test_the_doctor_names_a_stale_experiment(recorded, file, old, new, stale):
    edit(recorded.folder / file, old, new)
    named = [message.split()[0] for message in told(recorded) if PICTURE not in message]
    assert named == stale


@pytest.mark.in_turns
def test_another_title_wants_another_picture(recorded):
    edit(recorded.folder / "lab.yaml", "taken uphill", "turned round")
    assert told(recorded) == ["curves.svg is not drawn from these runs"]


def test_a_switch_that_the_config_does_not_have_is_named(recorded):
    edit(recorded.folder / "lab.yaml", "model.lr=0.0]", "model.rate=0.0]")
    assert any("model.rate" in message and "still:" in message for message in told(recorded))


def test_the_picture_is_small_stands_alone_and_is_the_same_again(recorded):
    path = recorded.folder / PICTURE
    text = path.read_text()
    ET.fromstring(text)
    assert len(text.encode()) < 20_000
    assert "The reference (2 seeds)" in text
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"#0[12]0[0-9]0[0-9]|#000000", text), "ink that a dark page would swallow"
    path.unlink()
    assert main(["calibrate", "90", "--experiments"]) == 0
    assert path.read_text() == text


def test_a_band_is_as_long_as_its_shortest_curve():
    long, short = (
        read_series([{"step": s, "x": s * 2.0} for s in range(n)], "x") for n in (200, 90)
    )
    steps, values = band_of([long, short])
    assert values.shape == (2, 60)
    assert (values[0] == values[1]).all()
    assert steps[-1] < 90


def test_the_page_states_what_was_recorded(recorded):
    page = recorded.folder / "README.md"
    page.write_text(
        page.read_text() + "<!-- generated: experiments -->\n<!-- end -->\n"
        "A cart that does not learn gets <!-- value: still rest -->?<!-- end -->.\n"
    )
    lab_page(recorded).renew()
    text = page.read_text()
    assert "| No step at all | `model.lr=0.0` | 0.9 |  | 1 |" in text
    assert "gets <!-- value: still rest -->0.9<!-- end -->." in text
    edit(recorded.folder / "lab.yaml", "values: {rest: [0.9]}", "values: {rest: [0.7]}")
    assert not lab_page(again(recorded)).is_fresh
    assert experiment_table(again(recorded)).count("| 0.7 |") == 2


def test_a_measure_that_nothing_gives_is_an_error_and_leaves_lab_yaml(lab, capsys):
    keep_trials(lab)
    edit(lab.folder / "lab.yaml", "measures: [rest, min val/loss]", "measures: [last val/less]")
    before = (lab.folder / "lab.yaml").read_text()
    assert main(["calibrate", "90", "--experiments"]) == 2
    assert "gave no last val/less" in capsys.readouterr().err
    assert (lab.folder / "lab.yaml").read_text() == before


def test_a_mutant_that_is_not_there_is_an_error(lab):
    edit(lab.folder / "lab.yaml", "mutant: uphill", "mutant: downhill")
    with pytest.raises(LabError, match="there is no mutant 'downhill'"):
        run_experiments(again(lab), list(again(lab).spec.experiments.values()))


def test_measures_pick_from_a_logged_key():
    curve = [{"step": s, "val/loss": v} for s, v in enumerate((2.0, 0.5, 1.0))]
    trial = Trial(0, 0, curves={"main": curve})
    keys = ("val/loss", "first val/loss", "min val/loss", "max val/loss", "last val/loss")
    assert [value_of(trial, key) for key in keys] == [1.0, 2.0, 0.5, 2.0, 1.0]


def test_bars_are_the_last_values_of_keys_in_the_order_logged(lab, capsys):
    """A distribution that a run logs stands below the curves, one colour for each experiment."""
    edit(
        lab.folder / "lab.yaml",
        "curve: val/loss\n  still",
        "curve: val/loss\n    bars: share/\n  still",
    )
    kept = KeptTrials(lab, "experiments")
    for one in again(lab).spec.experiments.values():
        for seed in one.seeds:
            shares = {"share/small": 0.25 + seed / 2, "share/0": 1.0}
            points = [{"step": s, "epoch": 0, "val/loss": 1.0, "share/small": 9.0} for s in (1, 2)]
            curve = [*points, {"step": 3, "epoch": 0, **shares}]
            metrics = {"rest": MetricRow("rest", 0.9)}
            trial = Trial(seed, 0, metrics=metrics, curves={"main": curve}, step_ms=7.5)
            source = None if not one.mutant else mutant_source(lab)
            kept.get_or_run(source, seed, lambda trial=trial: trial, one.overrides)
    [ran] = run_experiments(lab, [again(lab).spec.experiments["reference"]])
    assert ran.bars() == {"small": 0.5, "0": 1.0}
    assert value_of(ran.trials[0], "step_ms") == 7.5
    assert math.isnan(value_of(Trial(0, 0), "step_ms"))
    assert main(["calibrate", "90", "--experiments"]) == 0
    svg = (lab.folder / PICTURE).read_text()
    assert ET.fromstring(svg) is not None
    assert ">share<" in svg
    assert ">small<" in svg
    edit(lab.folder / "lab.yaml", "bars: share/", "bars: other/")
    assert told(lab) == ["curves.svg is not drawn from these runs"]


def test_an_answer_is_computed_by_the_reference(lab):
    (lab.folder / "_author" / "answers.py").write_text(
        "def parameters(lab, config):\n"
        "    return sum(p.numel() for p in lab.Model(**config['model']).parameters())\n"
        "def half(lab, config):\n    return 1 / 0\n"
    )
    assert Answers(lab)("parameters") == "2"
    with pytest.raises(LabError, match="has no function 'bytes'"):
        Answers(lab)("bytes")
    with pytest.raises(LabError, match="half fails with ZeroDivisionError: division by zero"):
        Answers(lab)("half")
    with pytest.raises(LabError, match="no experiment reference measures loss"):
        Answers(lab)("reference loss")


def test_numbers_are_shown_to_the_digit_that_counts():
    assert [shown(value) for value in (235146, 2.30258, "half")] == ["235,146", "2.3", "half"]
    assert spread([0.8525, 0.86, 0.847]) == "0.8532 ± 0.0065"
    assert spread([12.0, 18.0]) == "15.0 ± 4.2"
    assert spread([0.5, 0.5]) == "0.500 ± 0.000"
    assert spread([4e10, 8e10]) == "6e+10 ± 2.8e+10"
    assert spread([0.25]) == "0.25"
    assert spread([math.nan, 0.25]) == spread([math.nan]) == "not scored"
