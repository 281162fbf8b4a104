"""The machine a run meets: which of its processes this one is, seeds, threads, small talk."""

import logging
import os
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

from dllab.config.schema import Config
from dllab.errors import LabError

RANKS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "NODE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
STOPPING = "stopping behind this step; Ctrl-C again stops at once"


def started_by() -> str:
    """Who started this process beside its peers: `torchrun`, `slurm`, or nobody (empty)."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    task = "SLURM_NTASKS" in os.environ and "SLURM_PROCID" in os.environ
    return "slurm" if task and not interactive else ""


def drop_leftovers() -> list[str]:
    """Take out of the environment what a launcher left in it that did not start this process.

    The variables that were there: with them a run would wait for peers that nobody started, or be
    taken for another's helper, which grades nothing.
    """
    launcher = started_by()
    left = [] if launcher else [*RANKS]
    if launcher != "slurm":
        left += [name for name in os.environ if name.startswith("SLURM_")]
    return [f"{name}={os.environ.pop(name)}" for name in left if name in os.environ]


def world_size() -> int:
    """How many processes were started; 1 when nobody started several."""
    names = {"torchrun": "WORLD_SIZE", "slurm": "SLURM_NTASKS"}
    return int(os.environ[names[started_by()]]) if started_by() else 1


def is_main_process() -> bool:
    """Whether this process writes the run folder: rank 0, or the only one."""
    rank = os.environ.get("RANK")
    if rank is None and started_by() == "slurm":
        rank = os.environ["SLURM_PROCID"]
    return int(rank or 0) == 0


def agree_on_run() -> None:
    """Let processes that were started side by side write one run folder.

    `DLLAB_RUN` names it, where the launcher has set it. Else rank 0 tells its peers through
    torchrun's store; under Slurm the job's start and number make the name.
    """
    if "DLLAB_RUN" in os.environ or world_size() == 1:
        return
    if started_by() == "torchrun":
        os.environ["DLLAB_RUN"] = _told_by_rank_0()
        return
    begun = os.environ.get("SLURM_JOB_START_TIME")
    if begun is None:
        raise LabError(
            "the processes of this Slurm job cannot agree on a run folder",
            "export DLLAB_RUN=$(date -u +%Y%m%dT%H%M%SZ)-$SLURM_JOB_ID before srun; "
            "`dllab launch slurm` writes such a script",
        )
    job = f"{os.environ['SLURM_JOB_ID']}.{os.environ.get('SLURM_STEP_ID', '0')}"
    os.environ["DLLAB_RUN"] = f"{datetime.fromtimestamp(int(begun), UTC):%Y%m%dT%H%M%SZ}-{job}"


def _told_by_rank_0() -> str:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    from dllab.rundir.run import new_run_id

    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=False)
    key = f"dllab/run/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
    if is_main_process():
        store.set(key, new_run_id())
    return str(store.get(key).decode())


def settle_threads(config: Config) -> None:
    """Fix the thread count of each process, where the config leaves it open.

    Done before config.yaml is written: a run resumes with the threads that it began with, since
    sums over more threads round differently.
    """
    trainer = config.trainer
    here = trainer.devices if trainer.accelerator == "cpu" else 1
    trainer.threads = trainer.threads or max(1, free_cores() // here)


def free_cores() -> int:
    """Cores that nobody uses right now, at least one.

    On a busy machine more threads than free cores cost 30 times the CPU: OpenMP's workers spin at
    every barrier while they wait for the one that is not scheduled.
    """
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(usable_cores() - max(round(busy), _running_beside_us()), 8))


def _running_beside_us() -> int:
    """Threads that wanted a core at each of a few looks: the load average is a minute behind.

    0 where /proc does not tell.
    """
    looks = []
    for _ in range(3):
        try:
            running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3]
        except OSError:
            return 0
        looks.append(int(running.partition("/")[0]) - 1)
        time.sleep(0.01)
    return max(0, min(looks))


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def seed_and_threads(config: Config) -> None:
    """Seed every generator, and use as many threads as the config says."""
    import lightning as L
    import torch

    L.seed_everything(config.seed, workers=True, verbose=False)
    torch.set_num_threads(config.trainer.threads)


def quiet_libraries() -> None:
    """Silence the libraries' small talk; what a learner has to know, dllab says itself."""
    for name in (
        "lightning.pytorch.utilities.rank_zero",
        "lightning.fabric.utilities.seed",
        "lightning.fabric.utilities.distributed",
        "lightning.pytorch.accelerators.cuda",
        "lightning.pytorch.trainer.connectors.checkpoint_connector",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Lightning 2.6 with torch 2.13: its own use of torch's pytree is out of date.
    warnings.filterwarnings("ignore", message=r".*LeafSpec.* is deprecated")
    # A checkpoint between two steps holds the weights after the first: what resuming needs.
    warnings.filterwarnings("ignore", message=r"Using ModelCheckpoint with manual optimization")
    warnings.filterwarnings("ignore", message=r"Checkpoint directory .* exists and is not empty")
    # On a login node of a cluster one may well train without the cluster.
    warnings.filterwarnings("ignore", message=r"The `srun` command is available")
    # What a lab logs in a world of one has no other device to be averaged with.
    if os.environ.get("WORLD_SIZE", "1") == "1":
        warnings.filterwarnings(
            "ignore", message=r"It is recommended to use `self.log\(.*sync_dist"
        )
    # The first loss is in the curve however short the epoch; workers would only slow these data.
    warnings.filterwarnings("ignore", message=r"The number of training batches .* is smaller than")
    warnings.filterwarnings("ignore", message=r"The '\w+_dataloader' does not have many workers")
    # A model may change its batches itself; no data module here does.
    warnings.filterwarnings("ignore", message=r"You have overridden `on_after_batch_transfer`")
    # Sharded modules may return views; only an operation in place on one would be lost.
    warnings.filterwarnings("ignore", message=r"FSDP2-wrapped module .* returned a view tensor")
