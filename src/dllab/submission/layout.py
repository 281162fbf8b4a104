"""What a submission holds, and how much: said once for the packer and the intake."""

import re
from pathlib import PurePosixPath
from typing import Final

from dllab.errors import Ungradable, legible
from dllab.lab.spec import LabSpec

SCHEMA: Final = "dllab.submission/1"
MANIFEST = "manifest.json"
MAX_PACKED = 64 << 20
MAX_UNPACKED = 256 << 20
MAX_FILES = 64
MAX_RATIO = 200  # unpacked bytes for each packed one; text rarely shrinks to a fiftieth
MAX_TEXT = 1 << 20  # JSON, YAML and Python are read whole
MAX_CONFIG = 256 << 10
MAX_DEPTH = 20  # of config.yaml; a deep one would overflow the stack of the YAML reader
MAX_DIRECTORY = 64 << 10  # a zip's directory is parsed whole before its files can be counted
MAX_REASON = 400

_ALLOWED = re.compile(
    r"manifest\.json|lab\.py|config\.yaml|environment\.json|starter\.diff"
    r"|forecast\.yaml|claims\.yaml"
    r"|arms/[A-Za-z0-9_-]{1,40}/(weights\.safetensors|curve\.jsonl)"
    r"|artifacts/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,60}"
    r"|files/[A-Za-z0-9_][A-Za-z0-9_-]{0,40}\.[a-z0-9]{1,8}"
)


SHEETS = frozenset({"forecast.yaml", "claims.yaml"})  # where lab.yaml asks for them
_NAME = re.compile(r"[A-Za-z0-9_.+-]{1,80}")


def is_name(text: object) -> bool:
    """Whether this can be a lab, a version or a run: short, and harmless wherever it is shown."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_allowed(name: str) -> bool:
    """Whether a file of this name may be in a submission; nothing else is accepted."""
    return _ALLOWED.fullmatch(name) is not None


def left_by(path: str) -> str:
    """Which program left a file of this path beside what people made; empty for any other file."""
    *folders, name = path.split("/")
    if "__MACOSX" in folders or name == ".DS_Store" or name.startswith("._"):
        return "macOS"
    if name.casefold() in ("thumbs.db", "desktop.ini"):
        return "Windows"
    return ""


def required_files(spec: LabSpec) -> list[str]:
    """The files that a lab's submission must have, those of lab.yaml's `artifacts` among them."""
    artifacts = [artifact_file(name) for name in spec.artifacts]
    arms = [
        str(PurePosixPath("arms", arm, name))
        for arm in spec.arms
        for name in ("weights.safetensors", "curve.jsonl")
    ]
    return [MANIFEST, "lab.py", "config.yaml", *arms, *artifacts]


def artifact_file(name: str) -> str:
    """Where an artifact lies in a submission."""
    return f"artifacts/{name}"


def bad(what: str) -> Ungradable:
    """A refusal, in words for the person who made the archive."""
    return Ungradable(legible(what, MAX_REASON), "hand in the file that `dllab submit` makes")
