"""Everyday accidents of machines and people, as public trackers tell of them: told, no crash."""

import errno
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from grading_lab import make_desk
from training_lab import SHORT, Here, Project

from dllab import bootstrap, data
from dllab.cli.grade import grade_and_report
from dllab.config.compose import compose
from dllab.errors import LabError
from dllab.grading.signature import ensure_key
from dllab.lab.find import Lab, find_lab
from dllab.lab.project import enter
from dllab.report.table import for_spreadsheets
from dllab.rundir.listing import list_runs
from dllab.rundir.run import RunFolder
from dllab.training.loggers import trackers
from dllab.training.machine import drop_leftovers, is_main_process


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainer.val_check_interval=0"], "trainer.limit_val_batches=0"),
        (["trainer.val_check_interval=100"], "trainer.check_val_every_n_epoch=null"),
        (["trainer.check_val_every_n_epoch=null"], "trainer.val_check_interval=100"),
        (["trainer.check_val_every_n_epoch=0"], "at least 1, or null"),
        (["trainer.precision=transformer-engine"], "trainer.precision"),
    ],
    ids=["never", "too-rarely", "across-what", "each-zeroth", "hardware"],
)
def test_m4_numbers_of_the_trainer_that_cannot_be(
    project: Project, dllab: Here, words: list[str], said: str
) -> None:
    code, _, stderr = dllab("train", "01", *SHORT, *words, "--no-grade")
    assert code == 2
    assert said in stderr
    assert "Traceback" not in stderr
    assert "=None" not in stderr, "as Lightning spells it"


def test_a_number_of_the_config_is_not_the_fault_of_the_hook_that_meets_it(
    project: Project, dllab: Here
) -> None:
    project.edit(
        "return torch.optim.AdamW(",
        "assert self.trainer.estimated_stepping_batches\n        return torch.optim.AdamW(",
    )
    code, _, stderr = dllab("train", "01", *SHORT, "trainer.val_check_interval=100", "--no-grade")
    assert code == 2
    assert "trainer.check_val_every_n_epoch=null" in stderr
    assert "lab.py" not in stderr


def test_m6_what_a_launcher_left_behind_starts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    leftovers = {"RANK": "1", "WORLD_SIZE": "2", "SLURM_NTASKS": "1", "SLURM_JOB_NAME": "x"}
    for name, value in leftovers.items():
        monkeypatch.setenv(name, value)
    assert sorted(drop_leftovers()) == [f"{n}={v}" for n, v in sorted(leftovers.items())]
    assert is_main_process()
    assert not set(leftovers) & set(os.environ)


def test_m6_what_a_launcher_needs_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"TORCHELASTIC_RUN_ID": "x", "RANK": "1", "WORLD_SIZE": "2"}
    for name, value in job.items():
        monkeypatch.setenv(name, value)
    assert drop_leftovers() == []
    assert os.environ["RANK"] == "1"


def test_m7_a_home_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    with pytest.raises(LabError, match="key cannot be made") as told:
        ensure_key()
    assert "DLLAB_GRADER_KEY" in told.value.hint


def test_m10_a_conflict_in_progress_json_costs_no_rubric(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = make_desk(tmp_path)
    spec = "title: T\nsummary: S\nlevel: beginner\ntopics: []\nexports: [double]\nchecks: "
    spec += "{double: 2, twice: 3}\npass_score: 0.7\nstarter_sha256: x\n"
    (desk.lab.folder / "lab.yaml").write_text(spec)
    run = RunFolder.create(tmp_path, "lab90_tiny")
    run.code.write_text("def double(x):\n    return 2 * x\n")
    run.config.write_text("{lab: lab90_tiny, impl: mine, arms: {}}")
    (tmp_path / "progress.json").write_text("<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n")
    assert grade_and_report(tmp_path, run) == 0
    told = capsys.readouterr()
    assert "5 / 5" in told.out
    assert "a pass is not on record" in told.err
    assert "dllab progress merge" in told.err


@pytest.mark.parametrize(
    "words",
    [
        ["grade", "{root}", "--jobs", "0"],
        ["grade", "{root}", "--out", "{root}/file"],
        ["board", "--port", "99999"],
        ["train", "01", "-m", "--resume", "x", "seed=1,2"],
    ],
    ids=["jobs", "out", "port", "sweep-resume"],
)
def test_low_wrong_use_is_told(project: Project, dllab: Here, words: list[str]) -> None:
    (project.root / "file").touch()
    code, _, stderr = dllab(*(word.format(root=project.root) for word in words))
    assert code == 2
    assert "Traceback" not in stderr
    assert "error: " in stderr


@pytest.mark.parametrize("words", [[], ["--no-grade"]], ids=["graded", "not graded"])
def test_low_a_sweep_is_graded_unless_it_is_not_to_be(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    asked = []

    def multirun(_lab: Lab, _overrides: list[str], one_run: partial[int]) -> int:
        asked.append(one_run.keywords["grade"])
        return 0

    monkeypatch.setattr("dllab.config.sweep.multirun", multirun)
    assert dllab("train", "01", "-m", "seed=1,2", *words)[0] == 0
    assert asked == [not words]


def test_low_a_hint_about_twin_labs_tells_them_apart(tmp_path: Path) -> None:
    for name in ("lab90_tiny", "lab90_other"):
        make = tmp_path / "labs" / name
        make.mkdir(parents=True)
        (make / "lab.yaml").touch()
    with pytest.raises(LabError) as told:
        find_lab(tmp_path, "90")
    assert told.value.hint == "say lab90_other or lab90_tiny"


def test_low_excel_reads_names_with_accents() -> None:
    assert for_spreadsheets("a,b\n") == "a,b\n"
    assert for_spreadsheets("Müller\n").encode("utf-8").decode("utf-8-sig") == "Müller\n"


def test_m3_scratch_files_in_the_project_are_nobodys_modules(project: Project) -> None:
    for name in ("random", "copy", "types", "queue", "numpy", "yaml"):
        (project.root / f"{name}.py").write_text("raise RuntimeError('mine')\n")
    command = [sys.executable, "-m", "dllab", "list"]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "01  " in done.stdout


def test_m2_brackets_in_the_path_of_the_project(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "[2026] DL; #1"
    (root / "data").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    (root / "labs").mkdir()
    shutil.copytree(repo / "data" / "digits", root / "data" / "digits")
    monkeypatch.chdir(root)
    enter(root)
    assert len(data.load("digits", "val")["label"]) > 0


def test_low_a_link_that_leads_nowhere_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "runs" / "lab01_mlp").mkdir(parents=True)
    (tmp_path / "runs" / "lab02_cnn").symlink_to(tmp_path / "gone")
    (tmp_path / "runs" / "lab01_mlp" / "20261127T000000Z-aaaaaa").symlink_to(tmp_path / "gone")
    assert list_runs(tmp_path) == []


def test_low_a_file_system_without_locks_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with (tmp_path / "lock").open("w") as lock:
        bootstrap._wait_for_others(lock)
    assert "No locks available" in "".join(capsys.readouterr())


def test_low_the_hint_for_a_deleted_choice_is_no_circle(project: Project, dllab: Here) -> None:
    code, _, stderr = dllab("config", "01", "~logger")
    assert code == 2
    assert "null" not in stderr
    assert dllab("config", "01", "logger=csv")[0] == 0


def test_low_wandb_disabled_writes_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    (config,) = compose(find_lab(project.root, "01"), ["logger=wandb"]).values()
    folder = RunFolder.create(project.root, "lab01_mlp").arm("main")
    assert trackers(folder, config) == []
    assert not folder.path.exists()


@pytest.mark.in_turns
def test_low_wandb_online_without_a_key_says_what_to_do(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a process of its own, since W&B remembers what it was first asked for."""
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    process = project.start("train", "01", "logger=wandb", "debug=fast", "--no-grade")
    _, stderr = process.communicate()
    assert process.returncode == 2, stderr
    assert "nobody is logged in" in stderr
    assert "wandb login" in stderr
