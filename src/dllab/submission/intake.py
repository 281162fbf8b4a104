"""Taking in a stranger's archive. Everything about it is checked before a byte is unpacked.

Only regular files with declared names and hashes come in, each written by us under a name from our
own list. What cannot be taken in is `Ungradable`, with what is wrong.
"""

import hashlib
import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder
from dllab.submission import chain
from dllab.submission.layout import (
    MANIFEST,
    MAX_CONFIG,
    MAX_DIRECTORY,
    MAX_FILES,
    MAX_PACKED,
    MAX_RATIO,
    MAX_TEXT,
    MAX_UNPACKED,
    SHEETS,
    artifact_file,
    bad,
    is_allowed,
    required_files,
)
from dllab.submission.manifest import FileSeal, Manifest, parse_manifest
from dllab.submission.plain import read_plain_yaml, read_text

_CHUNK = 1 << 16
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


@dataclass(frozen=True)
class Intake:
    """An archive that was taken in. `id` is its bytes' sha256; `run` lies like a run folder."""

    id: str
    manifest: Manifest
    run: RunFolder


def read_manifest(archive: Path) -> tuple[str, Manifest]:
    """The archive's id and its manifest, without unpacking anything else."""
    data = _read_capped(archive)
    with _open(data) as opened:
        entries = _entries(opened)
        return hashlib.sha256(data).hexdigest(), _manifest(opened, entries)


def take_in(archive: Path, lab: Lab, folder: Path) -> Intake:
    """Check the archive against a lab, then unpack it into `folder`, which must not exist yet.

    Raises Ungradable when anything is not as `dllab submit` makes it; nothing is left behind then,
    and nothing is ever written outside `folder`.
    """
    data = _read_capped(archive)
    with _open(data) as opened:
        entries = _entries(opened)
        manifest = _manifest(opened, entries)
        _check_declared(manifest, entries, lab)
        contents = {name: _content(opened, entry) for name, entry in entries.items()}
    _check_hashes(manifest, contents)
    _check_texts(manifest, contents)
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return Intake(hashlib.sha256(data).hexdigest(), manifest, RunFolder(folder))


def _read_capped(archive: Path) -> bytes:
    with archive.open("rb") as file:
        data = file.read(MAX_PACKED + 1)
    if len(data) > MAX_PACKED:
        raise bad(f"the archive is larger than the cap of {MAX_PACKED >> 20} MiB")
    return data


def _open(data: bytes) -> zipfile.ZipFile:
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


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name, after every rule that the directory alone can tell."""
    infos = archive.infolist()
    if len(infos) > MAX_FILES:  # the directory may hold more than its record says
        raise bad(f"the archive has {len(infos)} files; the cap is {MAX_FILES}")
    if sum(info.file_size for info in infos) > MAX_UNPACKED:
        raise bad(f"unpacked the archive is larger than the cap of {MAX_UNPACKED >> 20} MiB")
    entries: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    for info in infos:
        _check_entry(info)
        if info.filename.casefold() in folded:
            raise bad(f"two files are called {info.filename!r}, or differ in case only")
        folded.add(info.filename.casefold())
        entries[info.filename] = info
    return entries


def _check_entry(info: zipfile.ZipInfo) -> None:
    name, kind = info.filename, stat.S_IFMT(info.external_attr >> 16)
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


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """One file's bytes; never more than its directory entry declares."""
    try:
        with archive.open(info) as file:
            content = b"".join(_pieces(file, info.file_size))
    except _DAMAGE as error:
        raise bad(f"{info.filename!r} is damaged: {error}") from None
    if len(content) != info.file_size:
        raise bad(f"{info.filename!r} is not as long as the archive says")
    return content


def _pieces(file: Any, limit: int) -> Iterator[bytes]:
    left = limit
    while left >= 0 and (piece := file.read(min(_CHUNK, left + 1))):
        left -= len(piece)
        yield piece


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> Manifest:
    if MANIFEST not in entries:
        raise bad(f"there is no {MANIFEST}")
    if entries[MANIFEST].file_size > MAX_TEXT:
        raise bad(f"{MANIFEST} is larger than {MAX_TEXT} bytes")
    return parse_manifest(_content(archive, entries[MANIFEST]))


def _check_declared(manifest: Manifest, entries: dict[str, zipfile.ZipInfo], lab: Lab) -> None:
    if manifest.lab != lab.id:
        raise bad(f"this is a submission of {manifest.lab}, not of {lab.id}")
    if manifest.lab_version != lab.spec.version:
        raise bad(
            f"it was made with version {manifest.lab_version} of {lab.id}; "
            f"version {lab.spec.version} is graded here"
        )
    _check_artifacts(entries, lab)
    declared = {*manifest.files, MANIFEST}
    if undeclared := sorted(set(entries) - declared):
        raise bad(f"{MANIFEST} does not declare {', '.join(undeclared)}")
    if unasked := sorted(set(entries) & SHEETS - set(lab.spec.sheets)):
        raise bad(f"{lab.id} does not ask for {', '.join(unasked)}")
    wanted = sorted((declared | set(required_files(lab.spec))) - set(entries))
    if wanted:
        raise bad(f"{', '.join(wanted)} is missing")


def _check_artifacts(entries: dict[str, zipfile.ZipInfo], lab: Lab) -> None:
    """Only those that lab.yaml lists, each within its cap."""
    caps = {artifact_file(name): one.max_bytes for name, one in lab.spec.artifacts.items()}
    for name, entry in entries.items():
        if not name.startswith("artifacts/"):
            continue
        if name not in caps:
            raise bad(f"{name!r} is not an artifact of {lab.id}")
        if entry.file_size > caps[name]:
            raise bad(f"{name!r} has {entry.file_size} bytes; the cap is {caps[name]}")


def _check_hashes(manifest: Manifest, contents: dict[str, bytes]) -> None:
    for name, content in contents.items():
        if name == MANIFEST:
            continue
        seal = FileSeal(hashlib.sha256(content).hexdigest(), len(content))
        if manifest.files[name] != seal:
            raise bad(f"{name} is not the file that {MANIFEST} declares")


def _check_texts(manifest: Manifest, contents: dict[str, bytes]) -> None:
    """config.yaml is plain data, and each curve's chain holds."""
    if "config.yaml" in contents:
        check_config(contents["config.yaml"])
    for name, content in contents.items():
        if name.endswith("curve.jsonl"):
            chain.check(read_text(name, content), manifest.run_id, name)


def check_config(content: bytes) -> None:
    """config.yaml is a mapping of plain values, and gives each arm's model as a mapping."""
    config = read_plain_yaml(content, "config.yaml", MAX_CONFIG)
    if not isinstance(config, dict):
        raise bad("config.yaml must be a mapping of texts, numbers, lists and mappings")
    arms = config.get("arms", {})
    for arm in arms.values() if isinstance(arms, dict) else [None]:
        if not isinstance(arm, dict) or not isinstance(arm.get("model"), dict | None):
            raise bad("config.yaml: every arm must be a mapping, and its model as well")
