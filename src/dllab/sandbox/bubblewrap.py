"""The wall that official grading asks for by name: one bubblewrap sandbox for each worker."""

import functools
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from dllab.errors import InfraError
from dllab.sandbox import seccomp
from dllab.sandbox.identity import confinement, spare_uid
from dllab.sandbox.job import Child, Job, popen
from dllab.sandbox.limits import MB
from dllab.sandbox.room import RoomEntry, gpu_devices, plan

INSTALL = "install bubblewrap (Debian and Ubuntu: apt install bubblewrap)"
NAMESPACES = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts")
ENTER = (sys.executable, "-P", "-s", "-m", "dllab.sandbox.enter")


class Bubblewrap:
    """Own file tree, processes, network and users; nothing of the host but what is mounted."""

    name = "bubblewrap"
    official = True

    def problem(self) -> str:
        """Why it does not work on this machine; empty when it does."""
        return _problem()

    def start(self, job: Job) -> Child:
        """Start the job's command as an unprivileged user behind the wall."""
        if problem := self.problem():
            raise InfraError(f"bubblewrap does not work here: {problem}", INSTALL)
        uid = spare_uid()
        command = (*_bwrap(job, uid), *ENTER, confinement(job, uid).text(), "--", *job.command)
        return popen(command, job, cwd=Path("/"))


@functools.cache
def _problem() -> str:
    if shutil.which("bwrap") is None:
        return "the program bwrap is not there"
    if not seccomp.is_known():
        return "its system calls are not known for this processor"
    trial = ("bwrap", *_users(spare_uid()), *NAMESPACES, "--ro-bind", "/", "/", "--", "/bin/true")
    try:
        done = subprocess.run(trial, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def _bwrap(job: Job, uid: int | None) -> tuple[str, ...]:
    """The command line up to the command: who, where, and what is there."""
    return (
        "bwrap",
        *_users(uid),
        *NAMESPACES,
        "--unshare-cgroup-try",
        "--die-with-parent",
        "--new-session",
        "--hostname",
        "localhost",
        *_tree(job),
        "--chdir",
        str(job.scratch),
        "--remount-ro",
        "/",
        "--",
    )


def _users(uid: int | None) -> tuple[str, ...]:
    """Root drops to a spare user inside; anyone else gets a user namespace that cannot nest."""
    return () if uid is not None else ("--unshare-user", "--disable-userns")


def _tree(job: Job) -> Iterator[str]:
    made, places = set[Path](), plan(job)
    for place in places:
        yield from _parents(place.path, made)
        yield from _place(place)
        made.add(place.path)
    for place in places:
        if place.kind == "empty":
            yield from ("--remount-ro", str(place.path))
    yield from ("--proc", "/proc", "--dev", "/dev")
    for device in gpu_devices() if job.limits.gpu else ():
        yield from ("--dev-bind", device, device)
    size = str(job.limits.scratch_mb * MB)
    yield from ("--perms", "1777", "--size", size, "--tmpfs", "/dev/shm")  # noqa: S108
    yield from _parents(job.scratch, made)
    yield from ("--perms", "1777", "--size", size, "--tmpfs", str(job.scratch))


def _parents(path: Path, made: set[Path]) -> Iterator[str]:
    """Folders on the way that nothing has made yet: open to the unprivileged user as well."""
    for parent in reversed(path.parents[:-1]):
        if parent not in made and not any(above in made for above in parent.parents):
            yield from ("--perms", "0755", "--dir", str(parent))


def _place(place: RoomEntry) -> tuple[str, ...]:
    path = str(place.path)
    match place.kind:
        case "bind":
            return ("--ro-bind", path, path)
        case "link":
            return ("--symlink", place.target, path)
        case "empty":
            return ("--perms", "0755", "--size", "65536", "--tmpfs", path)
        case _:
            return ("--ro-bind", "/dev/null", path)
