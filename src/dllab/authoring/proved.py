"""proved.json: which labs of a shelf are proved sound as they are; `dllab doctor` writes it.

It lies beside the labs. The line of a lab holds a hash of what was proved, and is good while the
content of the lab has that hash. Where two branches prove the same lab, git keeps both lines
(.gitattributes says so), and either will do.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from dllab.authoring.content import PARTS, ProofPart, content_of
from dllab.authoring.rules import PROVES, Needs
from dllab.errors import LabError
from dllab.lab.find import Lab
from dllab.rundir.run import write_text

FILE = "proved.json"
SCHEMA = "dllab.proved/1"


class Proof(BaseModel):
    """The content of a lab that was proved, and what each part cost in CPU seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content: dict[ProofPart, str]
    cpu_s: dict[ProofPart, int]


def unproved(lab: Lab) -> tuple[ProofPart, ...]:
    """The parts of a lab that no line of its shelf's record proves as they are now.

    Raises LabError when the record cannot be read.
    """
    lines = _read(lab.folder.parent / FILE).get(lab.id, [])
    try:
        content = {part: content_of(lab, part) for part in PARTS}
    except (LabError, OSError, SyntaxError):  # the rules will say more
        return PARTS
    return tuple(p for p in PARTS if content[p] not in [line.content.get(p) for line in lines])


def needs_of(lab: Lab) -> tuple[Needs, ...]:
    """What the doctor needs for the parts that are unproved; the rules about texts it asks anyway.

    Raises LabError when the record cannot be read.
    """
    return ("text", *(need for part in unproved(lab) for need in PROVES[part]))


def record(lab: Lab, proof: Proof) -> Path:
    """Enter what was proved of a lab in its shelf's record, and return the path of that.

    Its other part stays as it was, and so do the lines of other labs.
    """
    path = lab.folder.parent / FILE
    lines = {id: lines for id, lines in _read(path).items() if (path.parent / id).is_dir()}
    lines[lab.id] = [_merged(lab, [*lines.get(lab.id, ()), proof])]
    rows = [
        f"{json.dumps(id)}: {json.dumps(line.model_dump())},\n"
        for id in sorted(lines)
        for line in lines[id]
    ]
    # The last line is the same in every branch, so each line above it ends with a comma.
    write_text(path, f'{{\n{"".join(rows)}"schema": "{SCHEMA}"\n}}\n')
    return path


def _merged(lab: Lab, lines: Sequence[Proof]) -> Proof:
    """Of each part what is true of the lab as it is, else the newest."""
    content: dict[ProofPart, str] = {}
    cpu_s: dict[ProofPart, int] = {}
    for line in lines:
        for part in line.content:
            if content.get(part) != content_of(lab, part):
                content[part], cpu_s[part] = line.content[part], line.cpu_s[part]
    return Proof(content=content, cpu_s=cpu_s)


def _read(path: Path) -> Mapping[str, list[Proof]]:
    """Every line by lab, the newest last."""
    found: dict[str, list[Proof]] = {}
    if not path.is_file():
        return found
    try:
        for id, line in json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list):
            if id != "schema":
                proof = Proof.model_validate({name: dict(of) for name, of in line})
                found.setdefault(id, []).append(proof)
    except (ValueError, TypeError) as error:
        raise LabError(
            f"{path} cannot be read: {error}",
            f"git checkout -- {path.name}, or remove it and prove all labs: dllab doctor",
        ) from None
    return found
