"""The fastest wall: each worker is forked from a warm process into a room of its own.

    with Zygote() as zygote:
        with Session(lab, code, zygote, limits) as session: ...     # from any thread

The zygote is a new program with a clean environment: nothing that the grader has read, no label,
no hidden item, lies in memory that a worker inherits. It imports torch, Lightning and dllab's
worker, computes on zeros, runs no learner code, and has one thread. Each worker gets its own
pid, mount, network, IPC, UTS, cgroup and user namespace, its own tmpfs, a user id of its own where
the grader is root, and the confinement that every wall applies: landlock, seccomp, limits.
"""

import functools
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import dllab
from dllab.errors import InfraError
from dllab.sandbox import seccomp
from dllab.sandbox.enter import Confinement
from dllab.sandbox.forking import ForkServer
from dllab.sandbox.identity import confinement, spare_uid
from dllab.sandbox.job import Child, Job
from dllab.sandbox.room import Furnishing, RoomEntry, driver_environment

MODULE = "dllab.sandbox.zygote_server"
# Of 300 MB in huge pages a fork and its end cost a third. Python's own allocator knows none.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1", "PYTHONMALLOC": "malloc"}


class Zygote:
    """A backend whose workers start in milliseconds. Leaving the context ends them all.

    The warm process starts with the first worker; one object serves a whole batch.
    """

    name = "zygote"
    official = True

    def __init__(self) -> None:
        self._server = ForkServer(MODULE, (), _environment())

    def __enter__(self) -> Self:
        self._server.launch()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def problem(self) -> str:
        """Why it does not work on this machine; empty when it does."""
        return _problem()

    def start(self, job: Job) -> Child:
        """Fork a worker into its room. The job's command is always the worker's."""
        if problem := self.problem():
            raise InfraError(
                f"a zygote does not work here: {problem}", "use --backend bubblewrap instead"
            )
        return self._server.fork(encode(job, spare_uid()))


def encode(job: Job, uid: int | None) -> dict[str, Any]:
    """What the zygote's child has to know, as plain values."""
    room = Furnishing.of(job)
    return {
        "environment": dict(job.environment),
        "room": {
            **asdict(room),
            "scratch": str(room.scratch),
            "places": [[place.kind, str(place.path), place.target] for place in room.places],
        },
        "confinement": asdict(confinement(job, uid)) | {"own_users": True},
    }


def decode(request: dict[str, Any]) -> tuple[Furnishing, Confinement]:
    """The other way."""
    room = request["room"]
    places = tuple(RoomEntry(kind, Path(path), target) for kind, path, target in room["places"])
    return (
        Furnishing(**{**room, "scratch": Path(room["scratch"]), "places": places}),
        Confinement.parse(json.dumps(request["confinement"])),
    )


def _environment() -> dict[str, str]:
    """Nothing of the grader's: what workers see of it would be the same for all."""
    one_thread = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")  # a thread pool would not survive a fork
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONPATH": str(Path(dllab.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "WANDB_MODE": "disabled",
        **driver_environment(),  # the linker reads it once, here
        **{f"{library}_NUM_THREADS": "1" for library in one_thread},
        **HUGE_PAGES,
    }


@functools.cache
def _problem() -> str:
    """Let a server without its imports build a room and confine itself there."""
    if not sys.platform.startswith("linux") or not seccomp.is_known():
        return "it needs Linux on x86-64 or arm64"
    trial = (sys.executable, "-P", "-s", "-m", MODULE, "trial")
    try:
        done = subprocess.run(
            trial, env=_environment(), capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return "" if done.returncode == 0 else lines[-1]
