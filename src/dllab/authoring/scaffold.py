"""A new lab's folder: a small lab that trains and proves itself, to be changed piece by piece."""

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from dllab.authoring.generated import lab_page
from dllab.authoring.strip import strip
from dllab.errors import LabError
from dllab.lab.find import Lab, all_labs

_SUFFIX = ".j2"


def scaffold(root: Path, number: str, slug: str, parent: Path | None = None) -> Lab:
    """Write `labNN_slug` below `parent` (default: the project's labs); touch no existing file.

    Raises LabError for a number that is taken, or a name that cannot be imported.
    """
    if not re.fullmatch(r"\d{1,2}", number) or int(number) == 0:
        raise LabError(f"{number!r} is no lab number", "use 01 to 99")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug):
        raise LabError(f"{slug!r} is no name of a lab", "use lower-case letters, digits and _")
    number = f"{int(number):02}"
    if taken := [lab for lab in all_labs(root) if lab.number == number]:
        raise LabError(f"the number {number} is taken by {taken[0].folder}", "choose another")
    labs = parent or root / "labs"
    lab = Lab(root, labs.resolve() / f"lab{number}_{slug}")
    if lab.folder.exists():
        raise LabError(f"{lab.folder} is there already", "choose another number or name")
    _render(lab)
    strip(lab)
    lab_page(lab).renew()
    return Lab(root, lab.folder)  # lab.yaml, which now has the hash, is read anew


def _render(lab: Lab) -> None:
    environment = Environment(
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, YAML and Python, no HTML
    )
    top = files("dllab.authoring") / "templates" / "lab"
    for name, template in _templates(top):
        path = lab.folder / name.removesuffix(_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = environment.from_string(template.read_text(encoding="utf-8")).render(
            number=lab.number, slug=lab.slug, id=lab.id
        )
        path.write_text(text, encoding="utf-8")


def _templates(folder: Traversable, below: str = "") -> Iterator[tuple[str, Traversable]]:
    """Every template with its path inside the lab."""
    for entry in folder.iterdir():
        name = f"{below}{entry.name}"
        if entry.is_dir():
            yield from _templates(entry, f"{name}/")
        elif name.endswith(_SUFFIX):
            yield name, entry
