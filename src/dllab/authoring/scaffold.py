"""A new lab's folder: a small lab of a kind that proves itself, to be changed piece by piece.

The templates lie in `templates/lab/KIND`; what several kinds share, in `shared` and `parts`.
"""

import re
import shutil
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from dllab.authoring.generated import lab_page
from dllab.authoring.strip import strip
from dllab.errors import LabError
from dllab.lab.find import Lab, all_labs

LONGEST = 32
_SUFFIX = ".j2"


def scaffold(
    root: Path, number: str, name: str, parent: Path | None = None, kind: str = "train"
) -> Lab:
    """Write `labNN_name` below `parent` (default: the project's labs); touch no existing file.

    Dashes in the name become underscores. Raises LabError for a number or a folder that is taken,
    and for a name that cannot be imported.
    """
    lab = Lab(root, (parent or root / "labs").resolve() / _folder(root, number, name))
    if lab.folder.exists():
        raise LabError(f"{lab.folder} is there already", "choose another number or name")
    try:
        _render(lab, kind)
        strip(lab)
        lab_page(Lab(root, lab.folder)).renew()
    except BaseException:
        shutil.rmtree(lab.folder, ignore_errors=True)  # nothing half-written stays
        raise
    return Lab(root, lab.folder)  # lab.yaml, which now has the hash, is read anew


def _folder(root: Path, number: str, name: str) -> str:
    slug = name.replace("-", "_")
    if not re.fullmatch(r"\d{1,2}", number) or int(number) == 0:
        raise LabError(f"{number!r} is not a lab number", "use 01 to 99")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", slug) or len(slug) > LONGEST:
        raise LabError(
            f"{name!r} is not a name of a lab",
            f"use lower-case letters, digits and dashes, at most {LONGEST} of them",
        )
    number = f"{int(number):02}"
    if taken := [lab for lab in all_labs(root) if lab.number == number]:
        raise LabError(f"the number {number} is taken by {taken[0].folder}", "choose another")
    return f"lab{number}_{slug}"


def _render(lab: Lab, kind: str) -> None:
    environment = Environment(
        loader=PackageLoader("dllab.authoring", "templates/lab"),
        keep_trailing_newline=True,
        trim_blocks=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, YAML and Python, no HTML
    )
    names = [name for name in environment.list_templates() if name.startswith(f"{kind}/")]
    values = {
        "number": lab.number,
        "id": lab.id,
        "name": lab.slug.replace("_", " "),
        "trains": f"{kind}/conf/config.yaml{_SUFFIX}" in names,
    }
    for name in names:
        path = lab.folder / name.removeprefix(f"{kind}/").removesuffix(_SUFFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(environment.get_template(name).render(values), encoding="utf-8")
