"""Taking in a stranger's archive. Everything about it is checked before a byte is unpacked.

Only regular files with declared names and hashes come in, each written by us under a name from our
own list. What cannot be taken in is `Ungradable`, with what is wrong.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from dllab.lab.find import Lab
from dllab.rundir.run import RunFolder
from dllab.submission import chain
from dllab.submission.archive import content_of, entries_of, open_archive, read_capped
from dllab.submission.layout import (
    MANIFEST,
    MAX_CONFIG,
    MAX_TEXT,
    SHEETS,
    artifact_file,
    bad,
    required_files,
)
from dllab.submission.manifest import FileSeal, Manifest, parse_manifest
from dllab.submission.plain import read_plain_yaml, read_text


@dataclass(frozen=True)
class Intake:
    """An archive that was taken in. `id` is its bytes' sha256; `run` lies like a run folder."""

    id: str
    manifest: Manifest
    run: RunFolder


def read_manifest(archive: Path) -> Manifest:
    """The archive's manifest, without unpacking anything else."""
    with open_archive(read_capped(archive)) as opened:
        return _manifest(opened, entries_of(opened))


def take_in(archive: Path, lab: Lab, folder: Path) -> Intake:
    """Check the archive against a lab, then unpack it into `folder`, which must not exist yet.

    Raises Ungradable when anything is not as `dllab submit` makes it; nothing is left behind then,
    and nothing is ever written outside `folder`.
    """
    data = read_capped(archive)
    with open_archive(data) as opened:
        entries = entries_of(opened)
        manifest = _manifest(opened, entries)
        _check_declared(manifest, entries, lab)
        contents = {name: content_of(opened, entry) for name, entry in entries.items()}
    _check_hashes(manifest, contents)
    _check_texts(manifest, contents)
    _write(folder, contents)
    return Intake(hashlib.sha256(data).hexdigest(), manifest, RunFolder(folder))


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    """Whatever the grader's umask: a worker behind a wall reads them as another user."""
    for name, content in contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o644)
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        place.chmod(0o755)


def _manifest(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo]) -> Manifest:
    if MANIFEST not in entries:
        raise bad(f"there is no {MANIFEST}")
    if entries[MANIFEST].file_size > MAX_TEXT:
        raise bad(f"{MANIFEST} is larger than {MAX_TEXT} bytes")
    return parse_manifest(content_of(archive, entries[MANIFEST]))


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
    allowed = {f"files/{name}" for name in lab.spec.learner_files}
    if strange := sorted({name for name in entries if name.startswith("files/")} - allowed):
        raise bad(f"{lab.id} takes no {', '.join(strange)}")
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
