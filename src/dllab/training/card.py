"""The run card: what produced a run, and what it cost."""

import hashlib
import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch

from dllab import __version__
from dllab import data as datasets
from dllab.config.schema import Config
from dllab.errors import LabError
from dllab.lab.code import Implementation
from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder, write_json
from dllab.training.machine import is_main_process

Summary = dict[str, Any]  # what an arm reached: steps, epochs, parameters, last metrics

_PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "numpy")


class RunCard:
    """run.json, written when a run starts and again when each arm and the run end.

    Times are seconds, memory is MiB. `status` is running, finished, interrupted or failed.
    """

    def __init__(
        self, run: RunFolder, lab: Lab, impl: Implementation, configs: dict[str, Config]
    ) -> None:
        self._run = run
        self._wall = time.perf_counter()
        self._cpu = cpu_seconds()
        earlier, config = run.read_card(), run.read_config()
        self._before = {"wall_s": 0.0, "cpu_s": 0.0, **earlier.get("cost", {})}
        self.content: dict[str, Any] = {
            "run": run.id,
            "lab": lab.id,
            "lab_version": lab.spec.version,
            "impl": impl.kind,
            "overrides": list(config.get("overrides") or ()),
            "continues": list(config.get("continues") or ()),
            "status": "running",
            "started": earlier.get("started", _now()),
            "code_sha256": hashlib.sha256(impl.path.read_bytes()).hexdigest(),
            "seeds": {name: config.seed for name, config in configs.items()},
            "data": _fingerprints(lab, configs),
            "versions": _versions(),
            "git": _git(lab.root),
            "hardware": _hardware(),
            "threads": max((config.trainer.threads for config in configs.values()), default=1),
            "arms": earlier.get("arms", {}),
        }

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        stopped = isinstance(error, KeyboardInterrupt) or (
            isinstance(error, LabError) and error.exit_code == 130
        )
        self.content["status"] = (
            "finished" if error is None else "interrupted" if stopped else "failed"
        )
        if error is not None:
            self.content["error"] = str(error) or type(error).__name__
        self.content["finished"] = _now()
        self._write()

    @contextmanager
    def arm(self, name: str) -> Iterator[None]:
        """Times one arm."""
        wall, cpu = time.perf_counter(), cpu_seconds()
        yield
        cost = {"wall_s": time.perf_counter() - wall, "cpu_s": cpu_seconds() - cpu}
        self.content["arms"].setdefault(name, {}).update({k: round(v, 2) for k, v in cost.items()})
        self._write()

    def record(self, name: str, summary: Summary) -> None:
        """What an arm reached."""
        self.content["arms"].setdefault(name, {}).update(summary)

    def finished(self, name: str) -> bool:
        """Whether an arm came to its end, here or in the run that is resumed."""
        return bool(self.content["arms"].get(name, {}).get("finished"))

    def _write(self) -> None:
        if not is_main_process():
            return
        self.content["cost"] = {
            "wall_s": round(self._before["wall_s"] + time.perf_counter() - self._wall, 2),
            "cpu_s": round(self._before["cpu_s"] + cpu_seconds() - self._cpu, 2),
            "peak_memory_mb": _peak_memory_mb(),
            "flops": sum(arm.get("flops", 0) for arm in self.content["arms"].values()),
        }
        write_json(self._run.card, self.content)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def cpu_seconds() -> float:
    """CPU time of this process, and of those (ranks, say) it has started and seen end."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


def _peak_memory_mb() -> int:
    """Peak resident memory of the largest process; Linux counts KiB, macOS bytes."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(who).ru_maxrss for who in whose)
    return int(peak // (1024 if platform.system() == "Linux" else 1024**2))


def _versions() -> dict[str, str]:
    found = {"dllab": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def _git(root: Path) -> dict[str, Any]:
    """Commit and whether the tree differs from it; empty outside a repository."""
    try:
        commit = _git_out(root, "rev-parse", "HEAD")
        return {"commit": commit, "dirty": bool(_git_out(root, "status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return {}


def _git_out(root: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", root, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "gpus": gpus,
        "system": platform.system(),
    }


def _fingerprints(lab: Lab, configs: dict[str, Config]) -> dict[str, str]:
    names = {lab.spec.arms[name].data for name in configs} - {""}
    return {name: datasets.fingerprint(name, lab.root) for name in sorted(names)}
