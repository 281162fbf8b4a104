"""A stranger's zip: its directory is checked before a byte is unpacked.

What file managers add to an archive is passed over: a folder around all files, entries of folders,
and the files that systems keep beside others.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dllab.submission.layout import (
    MANIFEST,
    MAX_DIRECTORY,
    MAX_FILES,
    MAX_PACKED,
    MAX_RATIO,
    MAX_TEXT,
    MAX_UNPACKED,
    bad,
    is_allowed,
    left_by,
)

_CHUNK = 1 << 16
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment a zip can tell: no clock in the bytes
_END = struct.Struct("<4s4x2HL4xH")  # the record that ends an archive: counts, directory, comment
# What zipfile raises on bytes that were never an archive.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
)


def read_capped(archive: Path) -> bytes:
    """The bytes of a file, unless it is larger than any submission."""
    with archive.open("rb") as file:
        data = file.read(MAX_PACKED + 1)
    if len(data) > MAX_PACKED:
        raise bad(f"the archive is larger than the cap of {MAX_PACKED >> 20} MiB")
    return data


def make_zip(files: Mapping[str, bytes]) -> bytes:
    """An archive of these files; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files, key=lambda name: (name != MANIFEST, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def open_archive(data: bytes) -> zipfile.ZipFile:
    """The archive, if its last record is as we write it: no comment, no zip64, a short directory.

    zipfile makes an object for each entry of the directory, and looks for the record elsewhere
    when it is not at the end: neither is safe with what a stranger sent.
    """
    if len(data) < _END.size:
        raise bad("this is not a zip archive: it is too short")
    mark, here, files, directory, comment = _END.unpack(data[-_END.size :])
    if mark != b"PK\5\6" or comment or data[-_END.size - 20 :].startswith(b"PK\6\7"):
        raise bad("this is not a zip archive, or not one that dllab made")
    if here != files or files > MAX_FILES or directory > MAX_DIRECTORY:
        raise bad(f"the archive has {files} files; the cap is {MAX_FILES}")
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except _DAMAGE as error:
        raise bad(f"this is not a zip archive: {error}") from None


def entries_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, after every rule that the directory alone can tell."""
    infos = archive.infolist()
    if len(infos) > MAX_FILES:  # the directory may hold more than its record says
        raise bad(f"the archive has {len(infos)} files; the cap is {MAX_FILES}")
    if sum(info.file_size for info in infos) > MAX_UNPACKED:
        raise bad(f"unpacked the archive is larger than the cap of {MAX_UNPACKED >> 20} MiB")
    files = [info for info in infos if not _is_folder(info) and not left_by(info.filename)]
    around = _enclosing([info.filename for info in files])
    entries: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    for info in files:
        name = info.filename.removeprefix(around)
        _check_entry(name, info)
        if name.casefold() in folded:
            raise bad(f"two files are called {name!r}, or differ in case only")
        folded.add(name.casefold())
        entries[name] = info
    return entries


def content_of(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file's bytes; never more than its directory entry declares."""
    try:
        with archive.open(info) as file:
            content = b"".join(_pieces(file, info.file_size))
    except _DAMAGE as error:
        raise bad(f"{info.filename!r} is damaged: {error}") from None
    if len(content) != info.file_size:
        raise bad(f"{info.filename!r} is not as long as the archive says")
    return content


def _is_folder(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return info.filename.endswith("/") and not info.file_size and kind in (0, stat.S_IFDIR)


def _enclosing(names: Sequence[str]) -> str:
    """`folder/`, where all files lie in one folder; else nothing."""
    folders = {name.partition("/")[0] for name in names if "/" in name}
    if len(folders) != 1 or not all("/" in name for name in names):
        return ""
    (folder,) = folders
    return "" if folder in ("", ".", "..") else f"{folder}/"


def _check_entry(name: str, info: zipfile.ZipInfo) -> None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise bad(f"{name!r} is a link, a device or a folder; only regular files are accepted")
    if not is_allowed(name):
        raise bad(f"{name!r} is not a file of a submission")
    if info.flag_bits & 0x1:
        raise bad(f"{name!r} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise bad(f"{name!r} is packed in a way that is not accepted")
    if info.file_size > MAX_RATIO * max(info.compress_size, 1) + MAX_TEXT:
        raise bad(f"{name!r} would grow to {info.file_size} bytes from {info.compress_size}")
    is_text = not name.endswith(".safetensors") and not name.startswith("artifacts/")
    if is_text and info.file_size > MAX_TEXT * 16:
        raise bad(f"{name!r} has {info.file_size} bytes; a text may have {MAX_TEXT * 16}")


def _pieces(file: Any, limit: int) -> Iterator[bytes]:
    left = limit
    while left >= 0 and (piece := file.read(min(_CHUNK, left + 1))):
        left -= len(piece)
        yield piece
