"""Files that are whole or absent: atomic writes, checksums, locks, and the error of this room."""

import errno
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from dllab.errors import LabError


class DataError(LabError):
    """Data that is missing, damaged or not to be had; the hint says how to get it (again)."""


class DiskFullError(DataError):
    """No other source would help: there is no room."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, again: str) -> None:
    """Raise DataError unless the file hashes to `expected`; `again` says how to get it again."""
    if not path.is_file():
        raise DataError(f"{path} is missing", again)
    got = sha256_of(path)
    if got != expected:
        raise DataError(f"{path} is damaged: expected sha256 {expected}, got {got}", again)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of `path` (a file beside it): two processes never do one thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        yield


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path that becomes `path` when the block succeeds and vanishes when it fails.

    Raises:
        DiskFullError: the disk is full.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".partial-") as folder,
        full_disk(path),
    ):
        unfinished = Path(folder) / path.name
        yield unfinished
        unfinished.replace(path)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Say plainly which file did not fit when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DiskFullError(
            f"the disk is full: {path} could not be written",
            f"free some space where {path.parent} lies, then run the same command again",
        ) from error
