"""`dllab launch slurm` on a real Slurm of two nodes: one run, and a job that is stopped."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import missing_programs, slurm_cluster
from sweep_lab import SWEEP, launcher, make_project, noted, sweep
from training_lab import SHORT, Project, card, same_results

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        bool(missing_programs()) or os.geteuid() != 0,
        reason="as root: apt install slurmctld slurmd slurm-client munge",
    ),
]
LAUNCH = ["launch", "slurm", "01", "--nodes", "2", "--gpus", "0", "--cpus", "1"]
ALIVE = ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with slurm_cluster(tmp_path_factory.mktemp("slurm")) as environment:
        yield environment


@pytest.fixture(autouse=True)
def on_the_login_node(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_CONF", "MASTER_ADDR"):
        monkeypatch.setenv(name, environment[name])


@pytest.fixture
def project(repo: Path, tmp_path: Path) -> Project:
    return Project(tmp_path, repo)


def launch(project: Project, *overrides: str) -> str:
    """Submit; the job's number."""
    command = [sys.executable, "-m", "dllab", *LAUNCH, *overrides]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def told(job: str, what: str) -> str:
    """What Slurm says of a job: `JobState`, `ExitCode`."""
    command = ["scontrol", "show", "job", job]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return re.search(rf"{what}=(\S+)", text)[1]


def output_of(project: Project, job: str) -> str:
    """Wait for the end; what the job printed."""
    while told(job, "JobState") in ALIVE:
        time.sleep(0.2)
    return (project.root / f"runs/slurm-{job}.out").read_text()


@pytest.mark.in_turns
def test_two_nodes_train_one_run_like_two_processes_of_one_machine(project: Project) -> None:
    job = launch(project, *SHORT)
    printed = output_of(project, job)
    run = project.only_run()
    assert printed.count("epoch 1/2") == 1, "rank 0 speaks for all"
    assert card(run)["arms"]["main"]["finished"]
    local = project.start("train", "01", *SHORT, "hardware=ddp_cpu", "trainer.devices=2")
    local.communicate()
    assert told(job, "ExitCode") == f"{local.returncode}:0"
    (other,) = set(project.runs()) - {run}
    assert same_results(run, other)


@pytest.mark.in_turns
def test_the_signal_before_the_time_is_up_leaves_a_checkpoint(project: Project) -> None:
    long = ["trainer.max_epochs=500", "trainer.limit_train_batches=20", "trainer.threads=1"]
    job = launch(project, *long, "trainer.checkpoint_every_n_steps=5")
    while not list(project.root.glob("runs/*/*/arms/*/checkpoints/last.ckpt")):
        assert told(job, "JobState") in ALIVE
        time.sleep(0.1)
    subprocess.run(["scancel", "--signal=INT", job], check=True)
    assert f"--resume {project.only_run().name}" in output_of(project, job)


@launcher("hydra-submitit-launcher", "sweep")
def test_a_sweep_runs_as_jobs_of_the_cluster(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    slurm = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=lab"]
    done = sweep(root, SWEEP, "model.lr=0.1,13,0.2", *slurm)
    assert "thirteen brings bad luck" in done.stdout, done.stderr
    assert done.returncode == 2
    assert noted(root) == ["model.lr=0.1", "model.lr=0.2"]
