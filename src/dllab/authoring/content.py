"""What a lab is made of, as hashes: what was measured or proved of it holds as long as they do.

Every hash is the same on each Python that dllab supports, and on each machine.
"""

import ast
import functools
import hashlib
import json
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import dllab
from dllab.data.catalog import find
from dllab.lab.checked import load_yaml
from dllab.lab.find import Lab
from dllab.metrics import METRICS

ProofPart = Literal["checks", "training"]
PARTS: tuple[ProofPart, ...] = ("checks", "training")

# Of lab.yaml, what no rule reads that runs code. A key that is not named here is part of the proof.
PROSE = {
    "title",
    "summary",
    "level",
    "minutes",
    "topics",
    "requires",
    "conflicts",
    "starter_sha256",
    "draft",
}
LEFT_OUT: Mapping[ProofPart, Collection[str]] = {
    "checks": PROSE | {"arms", "pass_score", "calibration", "experiments"},
    "training": PROSE | {"checks", "hidden", "hints", "calibration", "experiments"},
}
# Of dllab, what decides whether a lab is sound, and changes seldom. What every lab goes through
# alike (config, training, data, metrics, grading) is proved by its own tests and by the labs that
# each run of the tests takes whole; were it named here, most commits would ask for all labs anew.
JUDGED_BY: Mapping[ProofPart, tuple[str, ...]] = {
    "checks": (
        "lab/code.py",
        "lab/starter.py",
        "authoring/proof.py",
        "authoring/hostile.py",
        "lab/mutants.py",
        "authoring/mutation.py",
        "authoring/edits.py",
        "authoring/rules_proof.py",
    ),
    "training": ("sandbox/worker.py", "authoring/rules_training.py"),
}
LIBRARIES = ("torch", "lightning")


def recipe_of(lab: Lab) -> str:
    """A hash of what recorded runs depend on: the reference's code and the lab's config.

    Comments, layout and docstrings do not count: words may change without new runs.
    """
    code = [path for path in (lab.solution, lab.folder / "given.py") if path.is_file()]
    parts = [code_only(path.read_text(encoding="utf-8")) for path in code]
    for path in sorted((lab.folder / "conf").rglob("*.yaml")):
        lines = path.read_text(encoding="utf-8").splitlines()
        parts += [line.split(" #")[0].rstrip() for line in lines if not line.startswith("#")]
    return _hash(parts)


def content_of(lab: Lab, part: ProofPart) -> str:
    """A hash of all that decides whether this part of a lab is sound.

    `checks`: whether its checks tell right code from wrong. `training`: whether the reference
    trains within its budgets and earns every point. A lab's page and pictures are in neither, nor
    what lab.yaml says in prose: the rules about those cost nothing and are asked each time.
    """
    return _hash([*_PARTS[part](lab), *_spec(lab, part), *_judged_by(part), *_libraries()])


def _checks(lab: Lab) -> Iterator[str]:
    """All code but lab.py, which is generated from the reference, and answers.py, which the page
    draws its numbers from; comments may be markers.
    """
    paths = [
        *lab.folder.glob("*.py"),
        *lab.folder.glob("*.csv"),
        *(lab.folder / "_author").rglob("*.*"),
    ]
    texts = {
        path.relative_to(lab.folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(paths)
        if path.suffix in (".py", ".yaml", ".csv") and path not in (lab.code, lab.answers)
    }
    yield from (f"{name}\n{text}" for name, text in texts.items())
    yield from _vocabulary("\n".join(texts.values()))


def _vocabulary(text: str) -> Iterator[str]:
    """The modules of dllab.checks that a text uses: all that the package itself offers, and those
    of its own choice. A tool that other labs have use for changes nothing here.
    """
    folder = Path(dllab.__file__).parent / "checks"
    found: dict[str, str] = {}
    waiting = [text, (folder / "__init__.py").read_text(encoding="utf-8")]
    while waiting:
        for name in re.findall(r"from dllab\.checks\.(\w+) import", waiting.pop()):
            if name not in found and (folder / f"{name}.py").is_file():
                found[name] = (folder / f"{name}.py").read_text(encoding="utf-8")
                waiting.append(found[name])
    yield from (code_only(found[name]) for name in sorted(found))


def _training(lab: Lab) -> Iterator[str]:
    """What is trained on what; a score that dllab does not know is taken by checks.py."""
    yield recipe_of(lab)
    for name in sorted({arm.data for arm in lab.spec.arms.values() if arm.data}):
        built = find(name, lab.root).built
        yield f"{name} {built.content} {sorted(built.files.items())}"
    if any(criterion.metric not in METRICS for criterion in lab.spec.measured.values()):
        yield code_only((lab.folder / "checks.py").read_text(encoding="utf-8"))


_PARTS: Mapping[ProofPart, Callable[[Lab], Iterator[str]]] = {
    "checks": _checks,
    "training": _training,
}


def _spec(lab: Lab, part: ProofPart) -> Iterator[str]:
    said = load_yaml(lab.folder / "lab.yaml")
    kept = {name: value for name, value in said.items() if name not in LEFT_OUT[part]}
    yield json.dumps(kept, sort_keys=True, default=str)


@functools.cache
def _judged_by(part: ProofPart) -> tuple[str, ...]:
    package = Path(dllab.__file__).parent
    return tuple(
        code_only((package / name).read_text(encoding="utf-8")) for name in JUDGED_BY[part]
    )


def _libraries() -> Iterator[str]:
    for name in LIBRARIES:
        yield f"{name} {'.'.join(version(name).split('.')[:2])}"


def code_only(source: str) -> str:
    """A Python text without comments, layout and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
        if getattr(node, "type_params", None) == []:
            del node.type_params  # type: ignore[attr-defined]  # since 3.12
        if isinstance(node, ast.JoinedStr):  # 3.12 ends some with an empty text
            node.values = [one for one in node.values if ast.unparse(one) != "''"]
    return ast.dump(tree, **_WHOLE)


# From 3.13 on, empty lists are left out unless one asks for them.
_WHOLE: dict[str, Any] = {"show_empty": True} if sys.version_info >= (3, 13) else {}


def _is_text(statement: ast.stmt) -> bool:
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _hash(parts: "Iterator[str] | list[str]") -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
