"""Hardware that a config asks for and this machine lacks: told before anything is built (exit 2).

Each message says what was asked, what this machine has, and which override would run here.
"""

import os
import shutil
from importlib.util import find_spec

from dllab.config.schema import Config
from dllab.errors import LabError
from dllab.training.machine import started_by, usable_cores, world_size


def require_hardware(configs: dict[str, Config]) -> None:
    """Raise LabError for the first config that cannot run here."""
    for config in configs.values():
        _require_launcher(config)
        match config.trainer.accelerator:
            case "gpu":
                _require_gpus(config)
            case "mps":
                _require_mps(config)
            case "tpu":
                _require_tpu(config)
            case _:
                _require_cores(config)
        if config.trainer.compile:
            _require_compiler()


def _require_launcher(config: Config) -> None:
    trainer = config.trainer
    asked = trainer.devices * trainer.num_nodes
    if started_by() and world_size() != asked:
        raise LabError(
            f"{started_by()} has started {world_size()} processes; the config says "
            f"{trainer.num_nodes} node(s) with {trainer.devices} device(s) each",
            "make trainer.devices and trainer.num_nodes say what the launcher was asked for",
        )
    if trainer.num_nodes > 1 and not started_by():
        raise LabError(
            f"{_asked(config)} on {trainer.num_nodes} nodes; this process was started on one, by "
            "neither Slurm nor torchrun",
            f"on a cluster: dllab launch slurm {config.lab[3:5]} --nodes {trainer.num_nodes} "
            f"--gpus {trainer.devices}, or torchrun --nnodes {trainer.num_nodes} … on each node; "
            f"here: {_runs_here(config)}",
        )


def _require_gpus(config: Config) -> None:
    import torch

    here, asked = torch.cuda.device_count(), config.trainer.devices
    if here < asked:
        build = "" if torch.version.cuda or torch.version.hip else " (torch is a CPU build)"
        raise LabError(
            f"{_asked(config)}; this machine has {here}{build}", f"here: {_runs_here(config)}"
        )
    if asked > 1 and not torch.distributed.is_nccl_available():
        raise LabError(
            f"{_asked(config)}, which talk through NCCL; this torch was built without it",
            f"here: {_runs_here(config)}",
        )


def _require_mps(config: Config) -> None:
    import torch

    if not torch.backends.mps.is_available():
        raise LabError(f"{_asked(config)}; this machine has none", f"here: {_runs_here(config)}")


def _require_tpu(config: Config) -> None:
    if find_spec("torch_xla") is None:
        raise LabError(
            f"{_asked(config)}; torch_xla is not installed in this environment",
            f"on a TPU machine: make setup-tpu, which builds .venv-tpu; here: {_runs_here(config)}",
        )


def _require_cores(config: Config) -> None:
    """A few more processes than cores still teach how ranks talk; many only wait."""
    most = max(4, usable_cores())
    if config.trainer.devices > most:
        raise LabError(
            f"{_asked(config)} as processes on the processor; this machine has {usable_cores()} "
            f"cores, on which at most {most} make sense",
            f"here: {_runs_here(config)}",
        )


def _require_compiler() -> None:
    """torch.compile writes C++ for a processor, and a C stub for each GPU kernel."""
    if not any(map(shutil.which, (os.environ.get("CXX", ""), "g++", "clang++", "c++"))):
        raise LabError(
            "trainer.compile=true needs a C++ compiler; this machine has none on PATH",
            "Debian, Ubuntu: apt install g++; here: trainer.compile=false",
        )


def _asked(config: Config) -> str:
    trainer = config.trainer
    kind = {"gpu": "GPU", "tpu": "TPU core", "mps": "Apple GPU"}.get(trainer.accelerator, "device")
    plural = "s" if trainer.devices > 1 else ""
    word = f"hardware={config.hardware}"
    if config.hardware == "cpu" and trainer.accelerator != "cpu":
        word = f"trainer.accelerator={trainer.accelerator}"
    return f"{word} asks for {trainer.devices} {kind}{plural}"


def _runs_here(config: Config) -> str:
    """The nearest override that this machine can carry out."""
    import torch

    gpus, trainer = torch.cuda.device_count(), config.trainer
    several = trainer.devices * trainer.num_nodes > 1
    if trainer.accelerator != "cpu" and gpus:
        return "hardware=gpu" if gpus == 1 else f"hardware=ddp trainer.devices={gpus}"
    if trainer.strategy == "fsdp" and several:
        return "hardware=fsdp trainer.accelerator=cpu trainer.devices=2"
    return "hardware=ddp_cpu trainer.devices=2" if several else "hardware=cpu"
