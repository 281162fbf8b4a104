"""What a job finds behind a wall with its own file tree: a plan, and building it by mounts.

The tree starts empty. The system's programs and libraries and what the job may read are mounted
read-only at their own places, hidden folders are covered, and `scratch` and `/dev/shm` are new
tmpfs of limited size, the only places to write.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dllab.sandbox import kernel
from dllab.sandbox.enter import DEVICES
from dllab.sandbox.job import Job
from dllab.sandbox.limits import MB

SYSTEM = (
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/sys/devices/system/cpu",
)
GPU = ("/sys/module/nvidia", "/sys/bus/pci/devices", "/sys/devices/system/node")
LINKS = {"/dev/fd": "/proc/self/fd"}
SOCKETS = ("/etc/hosts", "/etc/nsswitch.conf")
INODES = 20_000  # a tmpfs counts bytes, not empty files
ROOT_BYTES = 4 * MB
_SEALED = kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV

EntryKind = Literal["bind", "link", "empty", "nothing"]


@dataclass(frozen=True)
class RoomEntry:
    """One thing in the tree: a read-only mount, a link, an empty folder, or an empty file."""

    kind: EntryKind
    path: Path
    target: str = ""


def plan(job: Job) -> list[RoomEntry]:
    """The read-only part of the tree, parents before children."""
    readable = {*map(Path, SYSTEM), *_with_real_paths(job.readable)}
    readable |= set(map(Path, GPU if job.limits.gpu else ()))
    readable |= set(map(Path, SOCKETS if job.limits.sockets else ()))
    paths = [path for path in readable if path.exists()]
    hidden = {path for path in job.hidden if path.exists()}
    ordered = sorted({*paths, *hidden}, key=lambda path: (len(path.parts), path))
    places: dict[Path, RoomEntry] = {}
    for path in ordered:
        if path in hidden:
            places[path] = RoomEntry("empty" if path.is_dir() else "nothing", path)
        elif path.is_symlink() and str(path) in SYSTEM:
            places[path] = RoomEntry("link", path, str(path.readlink()))
        elif not _shows(places, path):
            places[path] = RoomEntry("bind", path)
    return list(places.values())


def gpu_devices() -> tuple[str, ...]:
    """The device files of NVIDIA's driver."""
    return tuple(str(path) for path in sorted(Path("/dev").glob("nvidia*")) if not path.is_dir())


def driver_environment() -> dict[str, str]:
    """Where the linker finds NVIDIA's driver, on machines that have it off the usual path."""
    path = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": path} if path and gpu_devices() else {}


def _with_real_paths(paths: tuple[Path, ...]) -> Iterator[Path]:
    """An interpreter is often reached through a link to its folder: both names must be there."""
    for path in paths:
        yield path
        yield path.resolve()


def _shows(places: Mapping[Path, RoomEntry], path: Path) -> bool:
    """Whether an earlier mount already shows this path: the nearest place above it is a mount."""
    nearest = next((places[above] for above in path.parents if above in places), None)
    return nearest is not None and nearest.kind == "bind"


# ------------------------------------------------------------------ by mounts, in a zygote's child


@dataclass(frozen=True)
class Furnishing:
    """A plan as plain values, so that it can travel to the zygote."""

    places: tuple[RoomEntry, ...]
    scratch: Path
    scratch_bytes: int
    shared_bytes: int
    devices: tuple[str, ...]

    @classmethod
    def of(cls, job: Job) -> "Furnishing":
        """What a job needs."""
        return cls(
            tuple(plan(job)),
            job.scratch,
            job.limits.scratch_mb * MB,
            job.limits.scratch_mb * MB,
            DEVICES + (gpu_devices() if job.limits.gpu else ()),
        )


def furnish(room: Furnishing, uid: int | None) -> None:
    """Build the tree in this process's own mount namespace and move into it.

    Needs the capabilities of root, its own or a user namespace's. Raises OSError.
    """
    os.umask(0o022)  # whatever the grader's is: the tree is for an unprivileged user
    kernel.mount("none", Path("/"), "", kernel.MS_REC | kernel.MS_PRIVATE)
    root = room.scratch  # any folder serves as the place to build on
    _tmpfs(root, ROOT_BYTES, "0755")
    for place in room.places:
        _put(place, root)
    _devices(room, root)
    proc = _folder(_below(root, Path("/proc")))
    kernel.mount("proc", proc, "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    scratch = _folder(_below(root, room.scratch))
    _tmpfs(scratch, room.scratch_bytes, "0700")
    if uid is not None:
        os.chown(scratch, uid, uid)
    kernel.enter_root(root)
    covers = [place.path for place in room.places if place.kind == "empty"]
    for path in (*covers, Path("/")):
        kernel.mount("none", path, "", kernel.MS_REMOUNT | kernel.MS_BIND | _SEALED)
    os.chdir(room.scratch)


def _put(place: RoomEntry, root: Path) -> None:
    target = _below(root, place.path)
    match place.kind:
        case "link":
            target.symlink_to(place.target)
        case "empty":
            _tmpfs(_folder(target), ROOT_BYTES, "0755")
        case "nothing":
            _bind(Path("/dev/null"), target)
        case "bind":
            _bind(place.path, target)


def _bind(source: Path, target: Path) -> None:
    if source.is_dir():
        _folder(target)
    elif not target.exists():
        target.touch()
    kernel.mount(str(source), target, "", kernel.MS_BIND | kernel.MS_REC)
    kernel.seal(target)


def _devices(room: Furnishing, root: Path) -> None:
    for device in room.devices:
        target = _below(root, Path(device))
        target.touch()
        kernel.mount(device, target, "", kernel.MS_BIND)
    for path, target_path in LINKS.items():
        _below(root, Path(path)).symlink_to(target_path)
    _tmpfs(_folder(_below(root, Path("/dev/shm"))), room.shared_bytes, "1777")  # noqa: S108


def _tmpfs(target: Path, size: int, mode: str) -> None:
    options = f"size={size},nr_inodes={INODES},mode={mode}"
    kernel.mount("tmpfs", target, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)


def _below(root: Path, path: Path) -> Path:
    target = root / path.relative_to("/")
    _folder(target.parent)
    return target


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    return path
