"""The fastest wall: each worker is forked from a warm process into a room of its own.

    with Zygote() as zygote:
        with Session(lab, code, zygote, limits) as session: ...     # from any thread

`prefork` says what the warm process is. Each worker gets its own pid, mount, network, IPC, UTS,
cgroup and user namespace, its own tmpfs, a user id of its own where the grader is root, and the
confinement that every wall applies: landlock, seccomp, limits.
"""

import functools
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dllab.errors import InfraError
from dllab.sandbox import prefork, seccomp
from dllab.sandbox.enter import Confinement
from dllab.sandbox.forking import ForkedBackend
from dllab.sandbox.identity import confinement, spare_uid
from dllab.sandbox.job import Child, Job
from dllab.sandbox.room import Furnishing, RoomEntry

MODULE = "dllab.sandbox.zygote_server"


class Zygote(ForkedBackend):
    """A backend whose workers start in milliseconds. Leaving the context ends them all.

    The warm process starts with the first worker; one object serves a whole batch.
    """

    name = "zygote"
    official = True

    def __init__(self) -> None:
        super().__init__(prefork.server(MODULE))

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
        Confinement(**request["confinement"]),
    )


@functools.cache
def _problem() -> str:
    """Let a server without its imports build a room and confine itself there."""
    if not sys.platform.startswith("linux") or not seccomp.is_known():
        return "it needs Linux on x86-64 or arm64"
    trial = (sys.executable, "-P", "-s", "-m", MODULE, "trial")
    try:
        done = subprocess.run(
            trial,
            env=prefork.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return "" if done.returncode == 0 else lines[-1]
