"""A submission as it lies there: an archive, or a folder that somebody or a platform unpacked."""

import hashlib
from pathlib import Path

from dllab.errors import Ungradable
from dllab.submission.archive import make_zip, read_capped
from dllab.submission.layout import MANIFEST, MAX_FILES, MAX_PACKED, MAX_UNPACKED, bad, is_allowed


def is_unpacked(folder: Path) -> bool:
    """Whether a folder is a submission that was unpacked."""
    return (folder / MANIFEST).is_file() and (folder / "lab.py").is_file()


def submission_id(path: Path) -> str:
    """The id of a submission: the sha256 of its archive's bytes; empty where it cannot be read.

    An unpacked one has the id of the archive that `dllab submit` made of the same files.
    """
    try:
        if path.is_dir():
            return hashlib.sha256(pack_folder(path)).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, Ungradable):
        return ""


def still_copy(path: Path, folder: Path) -> Path:
    """A submission's archive within `folder`, whole: nobody changes it while it is graded.

    Raises Ungradable for one that is larger than the caps, and for links in an unpacked one.
    """
    data = pack_folder(path) if path.is_dir() else read_capped(path)
    copy = folder / "submission.zip"
    copy.write_bytes(data)
    return copy


def pack_folder(folder: Path) -> bytes:
    """The archive of an unpacked submission; files that no submission has are left where they are.

    Raises Ungradable for links, and for what is larger than the caps.
    """
    files: dict[str, bytes] = {}
    size = 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not is_allowed(name) or path.is_dir():
            continue
        if path.is_symlink():
            raise bad(f"{name!r} is a link; only regular files are accepted")
        size += path.stat().st_size
        if len(files) == MAX_FILES or size > MAX_UNPACKED:
            raise bad(f"these are more than {MAX_FILES} files, or {MAX_UNPACKED >> 20} MiB")
        files[name] = path.read_bytes()
    data = make_zip(files)
    if len(data) > MAX_PACKED:
        raise bad(f"packed it is larger than the cap of {MAX_PACKED >> 20} MiB")
    return data
