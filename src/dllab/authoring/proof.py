"""One source text of a lab against its checks, in this process: what each check finds.

Learner code runs here without any wall, so call it in a fork (`dllab.authoring.forks`) for anything
that is not the author's own.
"""

import ast
import importlib
import linecache
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import torch

from dllab.checks import Check, collect
from dllab.checks.probing import call, detached
from dllab.lab.code import import_lab, import_room
from dllab.lab.find import Lab


@dataclass(frozen=True)
class CheckFinding:
    """What one check found. `sound` is false when the check itself broke: the author's fault."""

    check: str
    passed: bool
    message: str = ""
    sound: bool = True


def checks_of(lab: Lab) -> dict[str, Check]:
    """All checks of a lab by id, in the order in which they are written: visible, then hidden."""
    import_room(lab)
    hidden = (lab.folder / "_author" / "checks.py").is_file()
    names = ("checks", "_author.checks") if hidden else ("checks",)
    modules = [importlib.import_module(f"{lab.package}.{name}") for name in names]
    return {check.id: check for module in modules for check in collect(module)}


def import_libraries(source: str) -> None:
    """Import what a source text imports, so that forks find it there already."""
    for node in ast.parse(source).body:
        match node:
            case ast.Import(names=names):
                for alias in names:
                    importlib.import_module(alias.name)
            case ast.ImportFrom(module=str(name), level=0) if not name.startswith("labs"):
                importlib.import_module(name)


def module_of(lab: Lab, source: str) -> ModuleType:
    """Import a source text as the lab's `lab.py`; whatever it raises is let through.

    Its lines can still be read when the file is gone, by tracebacks and by checks of the code.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.py"
        path.write_text(source, encoding="utf-8")
        module = import_lab(lab, path)
    lines = source.splitlines(keepends=True)
    linecache.cache[str(path)] = len(source), None, lines, str(path)  # None: never looked up again
    return module


def examine(
    lab: Lab,
    source: str,
    ids: Sequence[str] | None = None,
    *,
    seed: int = 1,
    draws: int = 1,
    stop_at_failure: bool = False,
) -> list[CheckFinding]:
    """Run the named checks (default: all) over a source text, each by itself, on so many draws.

    Code that cannot be imported fails every check. With `stop_at_failure` the first failed check
    is the last one that runs.
    """
    checks = [check for id, check in checks_of(lab).items() if ids is None or id in ids]
    try:
        module = module_of(lab, source)
    except Exception as error:  # noqa: BLE001 - a mutant may raise anything
        return [CheckFinding(check.id, passed=False, message=_said(error)) for check in checks]
    findings = []
    for number, check in enumerate(checks * draws):
        findings.append(run_check(check, module, seed + number))
        if stop_at_failure and not findings[-1].passed:
            break
    return findings


def run_check(check: Check, module: ModuleType, seed: int) -> CheckFinding:
    """Both halves of a check, as grading runs them; what learner code raises fails it."""
    with torch.random.fork_rng(devices=[]):
        try:
            given = check.given(torch.Generator().manual_seed(seed))
        except Exception as error:  # noqa: BLE001 - author code
            return CheckFinding(
                check.id, passed=False, message=f"given: {_said(error)}", sound=False
            )
        torch.manual_seed(seed)
        try:
            copies = {name: value.clone() for name, value in given.items()}
            got = detached(call(check.probe, module, copies, check.grad))
        except Exception as error:  # noqa: BLE001 - learner code
            return CheckFinding(check.id, passed=False, message=_said(error))
        try:
            outcome = check.judge(given, got)
        except Exception as error:  # noqa: BLE001 - author code
            return CheckFinding(
                check.id, passed=False, message=f"judge: {_said(error)}", sound=False
            )
    return CheckFinding(check.id, outcome.ok, outcome.message)


def _said(error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return str(error)  # the text of a TODO
    return f"{type(error).__name__}: {error}"
