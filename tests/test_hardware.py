"""Every device by override: what a config becomes, and what is said where hardware is missing."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_lab import SHORT, Here, Project, curve

from dllab.config.compose import compose
from dllab.lab.find import find_lab
from dllab.training import train
from dllab.training.machine import (
    agree_on_run,
    free_cores,
    is_main_process,
    settle_threads,
    usable_cores,
)

NO_GPU = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")


MISSING = {  # what is asked, what this machine has, what runs here
    "hardware=gpu": ("1 GPU;", "has 0", "hardware=cpu"),
    "hardware=ddp trainer.devices=8": ("8 GPUs", "has 0", "hardware=ddp_cpu trainer.devices=2"),
    "hardware=fsdp": (
        "2 GPUs",
        "has 0",
        "hardware=fsdp trainer.accelerator=cpu trainer.devices=2",
    ),
    "hardware=tpu": ("1 TPU core", "torch_xla is not installed", "hardware=cpu"),
    "hardware=slurm": (
        "4 GPUs on 2 nodes",
        "neither Slurm nor torchrun",
        "hardware=ddp_cpu trainer.devices=2",
    ),
    "hardware=ddp_cpu trainer.devices=128": (
        "128 devices",
        f"{usable_cores()} cores",
        "hardware=ddp_cpu trainer.devices=2",
    ),
    "trainer.accelerator=mps": ("1 Apple GPU", "has none", "hardware=cpu"),
}


@NO_GPU
@pytest.mark.parametrize("asked", MISSING)
def test_missing_hardware_is_told_before_anything_is_built(
    project: Project, dllab: Here, asked: str
) -> None:
    code, _, stderr = dllab("train", "01", *asked.split())
    assert code == 2
    assert [part for part in MISSING[asked] if part not in stderr] == []
    assert not (project.root / "runs").exists()

    *_, runs_here = MISSING[asked]
    code, _, stderr = dllab("config", "01", *runs_here.split())
    assert code == 0, stderr


def test_compiling_needs_a_compiler(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    code, _, stderr = dllab("train", "01", "trainer.compile=true")
    assert code == 2
    assert "C++ compiler" in stderr
    assert "trainer.compile=false" in stderr


def test_a_launcher_that_started_another_number_of_processes_is_told(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "4", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    code, _, stderr = dllab("train", "01", "hardware=ddp_cpu")
    assert code == 2
    assert "torchrun has started 4 processes" in stderr
    assert not (project.root / "runs").exists()


@pytest.mark.parametrize(
    ("hardware", "accelerator", "strategy"),
    [
        ("cpu", "cpu", "auto"),
        ("gpu", "gpu", "auto"),
        ("tpu", "tpu", "auto"),
        ("ddp", "gpu", "DataParallel"),
        ("ddp_cpu", "cpu", "DataParallel"),
        ("slurm", "gpu", "DataParallel"),
        ("fsdp", "gpu", "Sharded"),
        ("cpu trainer.devices=2", "cpu", "DataParallel"),
    ],
)
def test_what_lightning_is_told(repo: Path, hardware: str, accelerator: str, strategy: str) -> None:
    from dllab.training.arm import trainer_arguments
    from dllab.training.strategy import make_strategy

    words = f"hardware={hardware} trainer.precision=bf16-mixed trainer.accumulate_grad_batches=4"
    (config,) = compose(find_lab(repo, "01"), words.split()).values()
    told = trainer_arguments(config)
    assert told["accelerator"] == accelerator
    assert told["devices"] * told["num_nodes"] == config.trainer.devices * config.trainer.num_nodes
    assert (told["precision"], told["accumulate_grad_batches"]) == ("bf16-mixed", 4)
    made = make_strategy(config.trainer)
    assert (made if isinstance(made, str) else type(made).__name__) == strategy


def test_cores_that_others_use_are_left_to_them() -> None:
    loop = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    loops = [subprocess.Popen(loop, stdout=subprocess.PIPE) for _ in range(usable_cores() + 1)]
    try:
        for process in loops:
            process.stdout.readline()
        assert free_cores() == 1, "at once, not when the load average has come to know it"
    finally:
        for process in loops:
            process.kill()
            process.communicate()


def test_processes_share_the_cores(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dllab.training.machine.free_cores", lambda: 8)
    threads = {}
    for hardware in ("cpu", "ddp_cpu", "gpu"):
        (config,) = compose(find_lab(repo, "01"), [f"hardware={hardware}"]).values()
        settle_threads(config)
        threads[hardware] = config.trainer.threads
    assert threads == {"cpu": 8, "ddp_cpu": 4, "gpu": 8}


LAUNCH = ["launch", "slurm", "02", "--nodes", "2", "--gpus", "4"]


def test_slurm_script_names_what_it_asks_for(repo: Path, dllab: Here, tmp_path: Path) -> None:
    os.chdir(repo)
    code, script, stderr = dllab(*LAUNCH, "--dry-run", "model.widths=[32, 64]", "seed=3")
    assert code == 0, stderr
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    for line in ("nodes=2", "ntasks-per-node=4", "gpus-per-node=4"):
        assert f"#SBATCH --{line}\n" in script
    overrides = (
        "hardware=slurm trainer.num_nodes=2 trainer.devices=4 'model.widths=[32, 64]' seed=3"
    )
    assert re.search(rf"^srun .* -m dllab train 02 {re.escape(overrides)}$", script, re.MULTILINE)
    assert "export DLLAB_RUN=" in script


def test_a_job_without_gpus_is_a_process_on_each_node(repo: Path, dllab: Here) -> None:
    os.chdir(repo)
    code, script, stderr = dllab("launch", "slurm", "02", "--nodes=2", "--gpus=0", "--dry-run")
    assert code == 0, stderr
    assert "#SBATCH --ntasks-per-node=1\n" in script
    assert "gpus" not in script
    overrides = "hardware=slurm trainer.num_nodes=2 trainer.devices=1 trainer.accelerator=cpu"
    assert f" -m dllab train 02 {overrides}\n" in script


def test_without_sbatch_nothing_is_submitted(
    repo: Path, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chdir(repo)
    monkeypatch.setenv("PATH", "/nowhere")
    code, _, stderr = dllab(*LAUNCH)
    assert code == 2
    assert "--dry-run" in stderr
    code, _, stderr = dllab(*LAUNCH, "data.batch_size=7", "--dry-run")
    assert code == 2, "a wrong config never reaches the queue"


def test_the_tasks_of_a_slurm_job_write_one_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    job = {"SLURM_NTASKS": "8", "SLURM_JOB_ID": "123", "SLURM_JOB_START_TIME": "1700000000"}
    names = set()
    for rank in range(2):
        with monkeypatch.context() as task:
            for name, value in {**job, "SLURM_PROCID": str(rank)}.items():
                task.setenv(name, value)
            agree_on_run()
            assert is_main_process() == (rank == 0)
            names.add(os.environ.pop("DLLAB_RUN"))
    assert names == {"20231114T221320Z-123.0"}


def test_a_slurm_job_of_one_task_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does each run of a sweep that submitit sends to a cluster."""
    for name in ("SLURM_NTASKS", "SLURM_JOB_ID"):
        monkeypatch.setenv(name, "1")
    agree_on_run()
    assert "DLLAB_RUN" not in os.environ


@pytest.mark.in_turns
def test_a_profile_says_where_the_time_went(project: Project, dllab: Here) -> None:
    code, stdout, stderr = dllab("train", "01", "debug=profile", "trainer.threads=1", "--no-grade")
    assert code == 0, stderr
    (run,) = project.runs()
    profile = run / "arms/main/profile"
    assert str(profile) in stdout
    assert "aten::" in (profile / "top10.txt").read_text()
    assert json.loads((profile / "trace.json").read_text())["traceEvents"]


COMPILED = """
import sys
from dllab.cli import main
from torch._dynamo.utils import counters

code = main(sys.argv[1:])
print("graphs", counters["stats"]["unique_graphs"])
sys.exit(code)
"""


@pytest.mark.in_turns
@pytest.mark.slow
def test_compiled_weights_keep_their_names(project: Project, dllab: Here) -> None:
    words = ["train", "01", *SHORT, "--no-grade"]
    assert dllab(*words)[0] == 0
    command = [sys.executable, "-c", COMPILED, *words, "trainer.compile=true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 0
    eager, compiled = project.runs()
    names = [list(load_file(run / "arms/main/weights.safetensors")) for run in (eager, compiled)]
    assert names[0] == names[1]
    losses = [[p["val/loss"] for p in curve(run) if "val/loss" in p] for run in (eager, compiled)]
    assert losses[1] == pytest.approx(losses[0], rel=0.1), "it draws other random numbers"


@pytest.mark.in_turns
@pytest.mark.slow
def test_lab_02_bears_mixed_precision(clone: Path) -> None:
    """Its batch norm is written by hand: statistics come in 16 bits, and are kept in 32."""
    short = ["trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.threads=1"]
    words = ["impl=reference", *short, "trainer.log_every_n_steps=1"]
    run = train(clone, find_lab(clone, "02"), [*words, "trainer.precision=bf16-mixed"])
    weights = load_file(run.arm("main").weights)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert all(bool(value.isfinite().all()) for value in weights.values())


XLA = """
import sys
from lightning.fabric.accelerators import XLAAccelerator
from lightning.pytorch import accelerators
for known in (XLAAccelerator, accelerators.XLAAccelerator):
    known.is_available = staticmethod(lambda: True)  # XLA's processor device stands in
    known.auto_device_count = staticmethod(lambda: 1)
from dllab.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.skipif("DLLAB_TEST_TPU" not in os.environ, reason="opt-in: make setup-tpu first")
def test_lab_01_trains_on_xlas_processor_device(project: Project, repo: Path) -> None:
    python = repo / ".venv-tpu/bin/python"
    words = ["train", "01", "hardware=tpu", *SHORT, "--no-grade"]
    env = {**os.environ, "PYTHONPATH": str(repo / "src"), "PJRT_DEVICE": "CPU"}
    done = subprocess.run(
        [python, "-c", XLA, *words], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(project.runs()) == 1
