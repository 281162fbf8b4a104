"""The machine a run meets: seeds, threads, ranks, and hardware that may be missing."""

import logging
import os
import warnings

import lightning as L
import torch

from dllab.config.schema import Config
from dllab.errors import LabError


def is_main_process() -> bool:
    """Whether this process writes the run folder: rank 0, or the only one."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or os.environ.get("LOCAL_RANK")
    return int(rank or 0) == 0


def seed_and_threads(config: Config) -> None:
    """Seed every generator and fix the thread count; the choice is written back into the config."""
    L.seed_everything(config.seed, workers=True, verbose=False)
    config.trainer.threads = config.trainer.threads or free_cores()
    torch.set_num_threads(config.trainer.threads)


def free_cores() -> int:
    """Cores that nobody uses right now, at least one.

    On a busy machine more threads than free cores cost 30 times the CPU: OpenMP's workers spin at
    every barrier while they wait for the one that is not scheduled.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(cores - round(busy), 8))


def require_hardware(configs: dict[str, Config]) -> None:
    """Fail before anything is built when the machine lacks what a config asks for (exit 2)."""
    for config in configs.values():
        asked = config.trainer
        if asked.accelerator in ("gpu", "cuda") and torch.cuda.device_count() < asked.devices:
            raise LabError(
                f"hardware={config.hardware} asks for {asked.devices} GPU(s); this machine has "
                f"{torch.cuda.device_count()}",
                f"run it here with {_alternative(asked.devices)}",
            )


def _alternative(devices: int) -> str:
    if torch.cuda.device_count() > 0:
        return f"trainer.devices={torch.cuda.device_count()}"
    return "hardware=cpu" if devices == 1 else f"hardware=ddp_cpu trainer.devices={min(devices, 4)}"


def quiet_libraries() -> None:
    """Silence the libraries' small talk; what a learner has to know, dllab says itself."""
    for name in (
        "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.seed",
        "lightning.pytorch.accelerators.cuda",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning 2.6 with torch 2.13: its own use of torch's pytree is out of date.
    warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")
    # A checkpoint between two steps holds the weights after the first: what resuming needs.
    warnings.filterwarnings("ignore", message=r"Using ModelCheckpoint with manual optimization")
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
