"""manifest.json, dllab.submission/1: what a submission says of itself, made by us or a stranger."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from dllab.submission.layout import MANIFEST, SCHEMA, bad, is_allowed, is_name

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class _Declared:
    """How pydantic reads it: strictly, and with finite numbers only."""

    __pydantic_config__: ClassVar[Mapping[str, bool | str]] = {
        "extra": "ignore",
        "strict": True,
        "allow_inf_nan": False,
        "use_attribute_docstrings": True,
    }


@dataclass(frozen=True)
class FileSeal(_Declared):
    """What identifies a file's content."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest(_Declared):
    """Everything but itself that a submission holds, and which run of which lab it is."""

    schema: Literal["dllab.submission/1"]
    lab: str
    """`labNN_slug`."""
    lab_version: str
    run_id: str
    files: Mapping[str, FileSeal]
    """By path within the archive."""
    arms: tuple[str, ...]
    claimed: Mapping[str, float]
    """By criterion, what the learner's own machine measured. It has no part in the grade."""

    def plain(self) -> dict[str, Any]:
        """As manifest.json holds it."""
        return asdict(self)


def parse_manifest(content: bytes) -> Manifest:
    """The manifest that is written there; Ungradable says what is wrong with any other content."""
    from pydantic import ValidationError

    try:
        manifest = _adapter().validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise bad(f"{MANIFEST} is not JSON: {first['msg']}") from None
        if first["loc"] in ((), ("schema",)):
            raise bad(f"{MANIFEST} is not of the schema {SCHEMA}") from None
        key = ".".join(map(str, first["loc"]))
        raise bad(f"{MANIFEST}: {key}: {first['msg']}") from None
    _require_harmless_names(manifest)
    return manifest


def _require_harmless_names(manifest: Manifest) -> None:
    named = {"lab": manifest.lab, "lab_version": manifest.lab_version, "run_id": manifest.run_id}
    for key, name in named.items():
        if not is_name(name):
            raise bad(f"{MANIFEST}: {key} is not a name")
    if not all(map(is_allowed, manifest.files)):
        raise bad(f"{MANIFEST} declares files that no submission has")


@cache
def _adapter() -> "TypeAdapter[Manifest]":
    from pydantic import TypeAdapter

    return TypeAdapter(Manifest)
