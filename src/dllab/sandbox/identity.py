"""Whose rights a job runs with, and what it is held to behind each wall."""

import math
import os
import random
from pathlib import Path

from dllab.sandbox.enter import DEVICES, Confinement
from dllab.sandbox.job import Job
from dllab.sandbox.limits import MB
from dllab.sandbox.room import gpu_devices

_FAR, _MANY = 1 << 30, 1 << 29
_random = random.SystemRandom()


def spare_uid() -> int | None:
    """A user id that belongs to nobody, another one for each job; None where only root may change.

    Where the grader is root, no job keeps root's rights, and no two jobs can signal each other.
    """
    if os.geteuid() != 0:
        return None
    _, _, count = (int(word) for word in Path("/proc/self/uid_map").read_text().split()[-3:])
    if count > _FAR + _MANY:
        return _FAR + _random.randrange(_MANY)
    return 60_000 + _random.randrange(5_000) if count > 65_000 else None


def let_through(folder: Path) -> None:
    """Have workers pass through a folder of the grader's own.

    Behind landlock they walk the machine's own tree, as users without rights. Who does not know a
    name in it finds none.
    """
    folder.chmod(0o711)


def confinement(job: Job, uid: int | None) -> Confinement:
    """What holds in a file tree of the job's own, where all that is mounted may be read."""
    limits = job.limits
    return Confinement(
        uid=uid,
        readable=("/",),
        listable=(),
        writable=(str(job.scratch), "/dev/shm"),  # noqa: S108
        devices=DEVICES + (gpu_devices() if limits.gpu else ()),
        cpu_s=math.ceil(limits.cpu_s),
        memory_bytes=limits.memory_mb * MB,
        file_bytes=limits.scratch_mb * MB,
        files=limits.files,
        processes=limits.processes,
        sockets=limits.sockets,
    )
