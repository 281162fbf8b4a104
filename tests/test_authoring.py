"""What authors work with: generated mutants, forks with limits, thresholds, the guide."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from authoring_labs import ENGINE, make_root

from dllab.authoring.calibrate import Calibrated
from dllab.authoring.content import recipe_of
from dllab.authoring.doctor import diagnose
from dllab.authoring.forks import TaskLimits, run_forked
from dllab.authoring.kept import KeptTrials
from dllab.authoring.leaks import secrets_of
from dllab.authoring.mutation import generate, sample
from dllab.authoring.record import write_record
from dllab.authoring.rules import FAST
from dllab.authoring.rules_training import thresholds
from dllab.authoring.scaffold import scaffold
from dllab.authoring.thresholds import Spread, pass_threshold, rounded
from dllab.authoring.trial import Trial
from dllab.checks.mutants import Mutant
from dllab.cli.main import main
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.lab.mutants import load_mutants, plant
from dllab.lab.read import load_spec
from dllab.lab.starter import make_starter, solution_regions, tasks_to_mend
from dllab.result import MetricRow

REPO = Path(__file__).resolve().parent.parent
SOLUTION = """
def f(x, y):
    # BEGIN SOLUTION mix: mix them.
    z = x * 2 + y
    if z > 3 and y:
        z -= max(x, y, key=abs)
    return -z
    # END SOLUTION
def outside(x):
    return x + 1
"""


# --- generated mutants ----------------------------------------------------------------------------


def test_a_mutant_is_planted_by_edits_or_by_the_code_of_a_task():
    by_edit = Mutant("a", catches="c", why="w", edits=[("return x + 1", "return x + 2")])
    assert plant(by_edit, SOLUTION) == SOLUTION.replace("return x + 1", "return x + 2")
    task = next(iter(solution_regions(SOLUTION)))
    by_code = Mutant("b", catches="c", why="w", code={task: "\nif x:\n    pass\nreturn None\n"})
    planted = plant(by_code, SOLUTION)
    first, last = solution_regions(planted)[task]
    assert planted.splitlines()[first - 1 : last] == [
        "    if x:",
        "        pass",
        "    return None",
    ]
    for bad, words in (
        (Mutant("a", catches="c", why="w", edits=[("no such text", "")]), "0 times"),
        (Mutant("a", catches="c", why="w", code={"none": "pass"}), "there is no task 'none'"),
        (Mutant("a", catches="c", why="w"), "changes nothing"),
    ):
        with pytest.raises(LabError, match=words):
            plant(bad, SOLUTION)


def test_mutants_are_of_every_kind_and_stay_inside_the_region():
    mutants = generate(SOLUTION)
    assert {mutant.kind for mutant in mutants} == {"operator", "constant", "argument", "line"}
    assert all("return x + 1" in mutant.source for mutant in mutants)
    changes = {(mutant.before, mutant.after) for mutant in mutants}
    assert ("z = x * 2 + y", "z = x * 3 + y") in changes
    assert ("return -z", "return (z)") in changes
    assert ("z -= max(x, y, key=abs)", "pass") in changes
    assert ("z -= max(x, y, key=abs)", "z -= max(y, x, key=abs)") in changes
    assert len({mutant.source for mutant in mutants}) == len(mutants)


def test_a_mutant_differs_from_the_solution_in_the_lines_that_it_names():
    for mutant in generate(SOLUTION):
        old, new = SOLUTION.splitlines(), mutant.source.splitlines()
        changed = [line.strip() for line, other in zip(old, new, strict=True) if line != other]
        assert changed == [mutant.before]


def test_the_sample_is_fixed_fair_and_stable_under_edits_elsewhere():
    text = (REPO / "labs/lab01_mlp/_author/solution.py").read_text()
    chosen = sample(text)
    assert chosen == sample(text)
    assert len(chosen) == 60
    tasks = {mutant.task for mutant in generate(text)}
    assert {mutant.task for mutant in chosen} == tasks
    shifted = sample("# a comment above\n" + text)
    assert [(m.before, m.after) for m in shifted] == [(m.before, m.after) for m in chosen]


def test_accents_before_a_mutation_do_not_shift_it():
    text = '\n# BEGIN SOLUTION a: é.\nx = "é" + "ü" + str(2)\n# END SOLUTION\n'
    assert 'x = "é" + "ü" + str(3)' in {mutant.after for mutant in generate(text)}


# --- forks ----------------------------------------------------------------------------------------


def spin() -> int:
    while True:
        pass


def test_forks_return_values_and_end_what_hangs_dies_or_eats_memory():
    tasks = [
        partial(pow, 2, 10),
        partial(time.sleep, 60),
        spin,
        partial(exit, 3),
        partial(bytearray, 8 << 30),
    ]
    limits = TaskLimits(wall_s=3, cpu_s=1, memory_mb=4096)
    done = {d.key: (d.value, d.failure) for d in run_forked(tasks, jobs=5, limits=limits)}
    assert done[0] == (1024, "")
    assert done[1] == (None, "timeout")
    assert done[2] == (None, "timeout")
    assert done[3] == (None, "died")
    assert done[4] == (None, "died")


def test_what_a_fork_writes_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (done,) = run_forked([partial(Path("best").mkdir)], jobs=1)
    assert (done.failure, list(tmp_path.iterdir())) == ("", [])


# --- the starter ----------------------------------------------------------------------------------

WRONG = """
def halve(x):
    # BEGIN SOLUTION halve: return x / 2.
    # It holds a fault.
    # | if x:
    # |
    # |     return x * 2
    return x / 2
    # END SOLUTION
def zero():
    # BEGIN SOLUTION zero: return 0.
    return 0
    # END SOLUTION
"""


def test_wrong_code_that_the_author_gives_stands_in_the_starter_to_be_mended():
    starter = make_starter(WRONG)
    assert starter.splitlines()[1:7] == [
        "def halve(x):",
        "    # TODO halve: return x / 2.",
        "    # It holds a fault.",
        "    if x:",
        "",
        "        return x * 2",
    ]
    assert starter.count("raise NotImplementedError") == 1
    assert tasks_to_mend(WRONG) == {"halve"}
    doubled = plant(Mutant("a", catches="c", why="w", edits=[("x / 2\n", "x * 2\n")]), WRONG)
    assert "# |" not in doubled
    assert doubled.count("return x * 2") == 1
    assert WRONG.splitlines()[solution_regions(WRONG)["halve"][0] - 1] == "    return x / 2"


# --- leaks ----------------------------------------------------------------------------------------


def test_secrets_are_whole_lines_that_the_starter_does_not_show():
    assert secrets_of(ENGINE, make_starter(ENGINE)) == [
        "node, upstream = stack.pop()",
        "node.grad += upstream",
        "stack += [(parent, upstream * local) for parent, local in node.parents]",
        "stack = [(self, 1.0)]",
    ]


def test_vocabulary_gives_nothing_away():
    known = [
        "optimizer.step()",
        "if p.grad is None:",
        "if not self.training:",
        "random.seed(seed)",
        "with torch.no_grad():",
        "C = logits.shape[1]",
        "for _ in range(steps):",
    ]
    body = "\n    ".join([*known, "with torch.autocast(device):"])
    code = f"def f():\n    # BEGIN SOLUTION f: do it.\n    {body}\n    # END SOLUTION\n"
    assert secrets_of(code, "") == ["with torch.autocast(device):"]


# --- thresholds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "up", "expected"),
    [(0.8573, False, 0.85), (0.85, False, 0.85), (1.6612, True, 1.67), (474.2, False, 474)],
)
def test_rounding_goes_the_asked_way(value, up, expected):
    assert rounded(value, up=up) == expected


def test_pass_is_three_deviations_on_the_easy_side():
    spread = Spread.of([0.84, 0.85, 0.86])
    assert spread == Spread(pytest.approx(0.85), pytest.approx(0.01))
    assert pass_threshold(spread, up=True) == 0.82
    assert pass_threshold(Spread(1.6, 0.01), up=False) == 1.63


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch) -> Path:
    """A project with the shared configs, data and checklist, and no labs."""
    root = make_root(tmp_path / "project")
    for name in ("configs", "data", "pyproject.toml"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(REPO / name)
    shutil.copyfile(REPO / "labs/checklist.yaml", root / "labs/checklist.yaml")
    monkeypatch.chdir(root)
    return root


def test_a_record_is_written_into_the_lines_that_it_concerns(scratch):
    lab = scaffold(scratch, "12", "augment")
    before = (lab.folder / "lab.yaml").read_text().splitlines()
    [criterion] = lab.spec.criteria.values()
    values = (0.80, 0.81, 0.82, 0.81, 0.80)
    found = Calibrated(criterion, tuple(range(5)), values, {"wrong": (0.61,) * 5}, 2000, 0.014)
    write_record(lab, [found])
    after = (lab.folder / "lab.yaml").read_text().splitlines()
    [now] = load_spec(lab.folder).criteria.values()
    assert (now.target, now.floor) == (0.78, 0.61)
    changed = [line for line in before if line not in after]
    assert len(changed) == len([line for line in changed if re.match(r"    |  accuracy: \{", line)])
    case = diagnose([Lab(scratch, lab.folder)], needs=FAST, jobs=2)[0].case
    assert list(thresholds.find(case)) == []


def test_a_number_that_stays_is_left_as_it_is_written(scratch):
    lab = scaffold(scratch, "12", "augment")
    path = lab.folder / "lab.yaml"
    text = re.sub(r"floor: [\d.]+", "floor: 0.60", path.read_text())
    # an arm of the criterion's name, too
    text = text.replace("  main: {", "  accuracy: {").replace(
        "metric: acc", "arm: accuracy, metric: acc"
    )
    path.write_text(text)
    [criterion] = load_spec(lab.folder).criteria.values()
    values = (0.80, 0.81, 0.82, 0.81, 0.80)
    write_record(lab, [Calibrated(criterion, tuple(range(5)), values, {}, 2000, 0.014)])
    assert "pass: 0.78, floor: 0.60" in path.read_text()


def test_spread_wider_than_the_way_to_a_mutant_is_told(scratch):
    [criterion] = scaffold(scratch, "12", "augment").spec.criteria.values()
    values = (0.70, 0.80, 0.90, 0.75, 0.85)
    wide = Calibrated(criterion, tuple(range(5)), values, {"wrong": (0.69,) * 5}, 2000, 0.014)
    assert wide.is_narrow


def test_words_may_change_without_new_runs_but_code_may_not(scratch):
    lab = scaffold(scratch, "12", "augment")
    recipe = recipe_of(lab)
    text = lab.solution.read_text()
    lab.solution.write_text(text.replace("A linear classifier.", "A classifier.") + "# end\n")
    assert recipe_of(lab) == recipe
    lab.solution.write_text(text.replace("/ 255 * 2", "/ 256 * 2"))
    assert recipe_of(lab) != recipe


def test_a_trial_is_run_once_until_the_calibration_is_whole(scratch):
    lab = scaffold(scratch, "12", "augment")
    ran = []

    def ask(source: str | None, seed: int) -> Trial:
        def run() -> Trial:
            ran.append((source, seed))
            return Trial(
                seed, 0, metrics={"accuracy": MetricRow("accuracy", 0.5 + seed / 10)}, missed=["é"]
            )

        return KeptTrials(lab).get_or_run(source, seed, run)

    asked = [(None, 0), (None, 1), ("wrong", 0)]
    first = [ask(*each) for each in asked]
    assert [ask(*each) for each in asked] == first
    assert ran == asked
    lab.solution.write_text(lab.solution.read_text().replace("/ 255 * 2", "/ 256 * 2"))
    ask(None, 0)
    assert len(ran) == 4, "another recipe"
    KeptTrials(lab).forget()
    ask(None, 0)
    assert len(ran) == 5, "another calibration"


def test_a_trial_without_a_grade_is_run_again(scratch):
    kept = KeptTrials(scaffold(scratch, "12", "augment"))
    killed = Trial(0, -9, log="Killed")
    graded = Trial(0, 0, metrics={"accuracy": MetricRow("accuracy", 0.8)})
    assert kept.get_or_run(None, 0, lambda: killed) is killed
    assert kept.get_or_run(None, 0, lambda: graded) is graded
    assert kept.get_or_run(None, 0, lambda: killed) is graded


def test_trials_are_kept_until_they_are_written(scratch, capsys):
    lab = scaffold(scratch, "12", "augment")
    solution = lab.solution.read_text()
    for source in (None, *(plant(mutant, solution) for mutant in load_mutants(lab))):
        for seed in range(5):
            metric = MetricRow("accuracy", 0.9 + seed / 1000, ci95=(0.79, 0.81), n=2000)
            trial = Trial(seed, 0, metrics={"accuracy": metric})
            KeptTrials(lab).get_or_run(source, seed, lambda trial=trial: trial)
    path = lab.folder / "lab.yaml"
    fine = path.read_text()
    path.write_text(fine.replace("pass: 0.79", '"pass": 0.79'))
    assert main(["calibrate", "12", "--seeds", "5", "--write"]) == 2
    assert "not found as a plain number" in capsys.readouterr().err
    (kept,) = scratch.glob(".cache/calibration/*.jsonl")
    path.write_text(fine)
    assert main(["calibrate", "12", "--seeds", "5", "--write"]) in (0, 1)
    assert not kept.exists()


# --- the guide ------------------------------------------------------------------------------------


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.timeout(1800)  # three minutes of CPU, which is long on a busy machine
def test_the_guide_leads_from_nothing_to_a_release(scratch):
    """Runs every command of docs/authors.md in turn, and fills in the texts as it says."""
    for folder in (*(REPO / "labs").glob("lab0[1-6]_*"), REPO / "src", REPO / "Makefile"):
        parent = scratch / "labs" if folder.name.startswith("lab") else scratch
        (parent / folder.name).symlink_to(folder)
    page = (REPO / "docs/authors.md").read_text()
    commands = re.findall(r"^\$ (.*)$", page, re.MULTILINE)
    tried_elsewhere = {"data", "draw", "dream"}  # with sets, formats and runs of their own
    named = set(re.findall(r"`dllab ([a-z]+)", page)) - tried_elsewhere
    assert named <= {word for command in commands for word in command.split()}
    for command in commands:
        if command == "dllab doctor 91":
            write_the_texts(scratch / "labs/lab91_walks")
        done = in_shell(scratch, command.replace("--seeds 10", "--seeds 5 --jobs 2"))
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    text = (scratch / "labs/lab91_walks/lab.yaml").read_text()
    assert "seeds: [0, 1, 2, 3, 4]" in text
    assert (scratch / "labs/lab91_walks/_author/calibration.svg").is_file()


def in_shell(folder: Path, command: str) -> "subprocess.CompletedProcess[str]":
    """A command as a person types it, with this dllab."""
    program = f"{shlex.quote(sys.executable)} -P -m dllab"
    return subprocess.run(
        re.sub(r"\bdllab\b", program, command, count=1),
        shell=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def write_the_texts(folder: Path) -> None:
    """Replace every WRITE: by a text of its own, and say that this is no longer a draft."""
    for name in ("README.md", "lab.yaml"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        written = [
            line.replace("WRITE:", f"Line {n},")
            for n, line in enumerate(lines)
            if not line.startswith("draft:")
        ]
        (folder / name).write_text("".join(written))
