"""The wall for machines without namespaces to give: landlock and seccomp around one process group.

    with Landlock() as wall:
        with Session(lab, code, wall, limits) as session: ...     # from any thread

It needs no other program, but shows more of the machine than the others do: names and sizes of
files (not what is in them) and the machine's own host name. It grants no sockets at all, since a
socket would reach the machine's own network, and no shared memory, since its files would outlive
the worker. Each worker is forked from a warm process (`prefork` says what that is) and has a
user id of its own where the grader is root.
"""

import functools
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import psutil

import dllab
from dllab.errors import InfraError
from dllab.sandbox import landlock, prefork, seccomp
from dllab.sandbox.bubblewrap import ENTER, INSTALL
from dllab.sandbox.enter import Confinement
from dllab.sandbox.forking import ForkedBackend
from dllab.sandbox.identity import confinement, spare_uid
from dllab.sandbox.job import Child, Job
from dllab.sandbox.limits import Limits
from dllab.sandbox.room import SYSTEM

MODULE = "dllab.sandbox.landlocked_server"

PROC = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/filesystems")
TRUNCATION_SINCE, SCOPES_SINCE = 3, 6


class Landlock(ForkedBackend):
    """Reads only what is named, writes only to scratch, signals only its own.

    The warm process starts with the first worker; one object serves a whole batch. Leaving the
    context ends all workers.
    """

    name = "landlock"
    official = True

    def __init__(self) -> None:
        super().__init__(prefork.server(MODULE))

    def problem(self) -> str:
        """Why it does not work on this machine; empty when it does."""
        return _problem()

    def start(self, job: Job) -> Child:
        """Fork a worker and confine it; InfraError when it needs sockets. The job's command is
        always the worker's.
        """
        if problem := self.problem():
            raise InfraError(f"landlock does not work here: {problem}", INSTALL)
        if job.limits.sockets:
            raise InfraError("this lab needs sockets, which landlock cannot give safely", INSTALL)
        uid = spare_uid()
        if uid is not None:
            os.chown(job.scratch, uid, uid)
        request = {
            "environment": dict(job.environment),
            "scratch": str(job.scratch),
            "confinement": asdict(_confinement(job, uid)),
        }
        return self._server.fork(request)


@functools.cache
def _problem() -> str:
    version = landlock.version()
    if not version or not seccomp.is_known():
        return "the kernel has no landlock"
    if version < TRUNCATION_SINCE:
        return f"its landlock (version {version}) cannot keep files from being truncated"
    if version < SCOPES_SINCE and spare_uid() is None:
        return f"its landlock (version {version}) cannot hold back signals; Linux 6.12 can"
    return _trial()


def _trial() -> str:
    """Confine a Python as workers are, and let it import dllab; what it says where it cannot."""
    source = Path(dllab.__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder).resolve()
        readable = (Path(sys.prefix), Path(sys.base_prefix), source / "dllab")
        job = Job((), {}, scratch, readable, (), (source,), Limits())
        command = (sys.executable, "-P", "-s", "-c", "import dllab")
        entering = (*ENTER, _confinement(job, spare_uid()).text(), "--", *command)
        done = subprocess.run(
            entering, env=prefork.environment(), capture_output=True, text=True, check=False
        )
    if done.returncode == 0:
        return ""
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return f"{said} (users without rights must be able to read {sys.base_prefix} and {source})"


def _confinement(job: Job, uid: int | None) -> Confinement:
    readable, listable = open_paths(job)
    everywhere = confinement(job, uid)
    return replace(
        everywhere,
        readable=(*SYSTEM, *PROC, *map(str, readable)),
        listable=tuple(map(str, listable)),
        writable=(str(job.scratch),),
        unix_sockets=False,
        one_group=True,
        read_any=uid is not None,  # root's own folders may be closed to others
        processes=everywhere.processes + (0 if uid is not None else _running_here()),
    )


def open_paths(job: Job) -> tuple[list[Path], list[Path]]:
    """Paths that may be read whole, and folders of which only the names may be seen.

    Landlock can only add rights, so a folder with something hidden in it is taken apart. Rights are
    those of a file and not of its name: a link's other name (a `lib64` beside `lib`) adds nothing.
    """
    taken_apart = {folder for path in job.hidden for folder in path.parents}
    readable: list[Path] = []
    listable = list(job.searched)
    waiting, met = [path.resolve() for path in job.readable], set(job.hidden)
    while waiting:
        path = waiting.pop()
        if path in met:
            continue
        met.add(path)
        if path in taken_apart:
            listable.append(path)
            waiting += (one.resolve() if one.is_symlink() else one for one in path.iterdir())
        else:
            readable.append(path)
    return readable, listable


def _running_here() -> int:
    """Threads that this user runs already: the kernel's limit counts them too."""
    mine = os.getuid()
    with_uid = psutil.process_iter(["uids", "num_threads"])
    found = [p.info for p in with_uid if p.info["uids"] and p.info["uids"].real == mine]
    return sum(info["num_threads"] or 1 for info in found)
