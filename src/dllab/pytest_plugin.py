"""The pytest plugin: `pytest labs/lab01_mlp` runs the visible checks, each as one test.

They run as everywhere in practice, in a worker beside this process; with `--pdb` in this process,
where a debugger can look around.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dllab.checks import Check
    from dllab.grading.draws import Draws
    from dllab.lab.find import Lab
    from dllab.result import CheckRow
    from dllab.sandbox.session import Session


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "LabFile | None":
    """The lab.py of each lab below a folder that pytest is given."""
    if parent.session.isinitpath(file_path):
        return None  # pytest makes a module of it, see below
    return _lab_file(file_path, parent)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> "LabFile | None":
    """A lab.py that pytest is given by name: it is not a module of tests."""
    return _lab_file(module_path, parent)


def _lab_file(path: Path, parent: pytest.Collector) -> "LabFile | None":
    is_lab = re.fullmatch(r"lab\d\d_\w+", path.parent.name) and path.name == "lab.py"
    if is_lab and path.with_name("lab.yaml").is_file():
        return LabFile.from_parent(parent, path=path)
    return None


class NotPassedError(Exception):
    """What a learner reads when a check fails: all of it, and nothing of pytest's or ours."""


class LabFile(pytest.File):
    """The lab.py of a lab; its checks share one worker, started for the first of them."""

    lab: "Lab"
    draws: "Draws"
    rows: "dict[str, CheckRow]"
    worker: "Session"
    broken = ""  # why lab.py cannot be imported
    broken_told = False

    def collect(self) -> "Iterator[LabCheck]":
        """The visible checks, in the order of the tasks."""
        from dllab.grading.code_checks import load_checks
        from dllab.grading.draws import Draws
        from dllab.lab.find import Lab
        from dllab.lab.project import find_root

        self.lab = Lab(find_root(), self.path.parent)
        self.draws, self.rows = Draws.kept(self.lab), {}
        for check in load_checks(self.lab, hidden=False):
            if check.id in self.lab.spec.visible:
                yield LabCheck.from_parent(self, name=check.id, check=check)

    def setup(self) -> None:
        """Start the worker, which imports lab.py."""
        from dllab.sandbox.backends import find_backend
        from dllab.sandbox.limits import Limits
        from dllab.sandbox.session import Session

        if self.config.getoption("usepdb"):
            return
        limits = Limits.of(self.lab.spec.budgets)
        session = Session(self.lab, self.lab.code, find_backend("none"), limits)
        self.worker = session.__enter__()
        self.addfinalizer(lambda: session.__exit__(None, None, None))
        if failure := session.open().failure:
            self.broken = failure.traceback or failure.message


class LabCheck(pytest.Item):
    """One check."""

    def __init__(self, *, check: "Check", **more: object) -> None:
        super().__init__(**more)  # type: ignore[arg-type]
        self.check = check

    @property
    def file(self) -> LabFile:
        """The lab that it belongs to."""
        assert isinstance(self.parent, LabFile)
        return self.parent

    def runtest(self) -> None:
        """Pass, fail with the check's words, or skip behind a check that failed."""
        if self.config.getoption("usepdb"):
            self._run_here()
        else:
            self._run_in_worker()

    def _run_in_worker(self) -> None:
        from dllab.grading.code_checks import check_one

        file = self.file
        if file.broken:
            if file.broken_told:
                pytest.skip("lab.py cannot be imported")
            file.broken_told = True
            raise NotPassedError(f"lab.py cannot be imported\n\n{file.broken}")
        before = file.worker.log
        row = check_one(file.worker, file.lab, self.check, file.rows, file.draws)
        file.rows[self.name] = row
        printed = file.worker.log.removeprefix(before)
        if row.status == "skip":
            pytest.skip(row.message)
        if row.status != "pass":
            self.add_report_section("call", "printed", printed)
            told = (row.message, row.evidence.get("traceback"), row.sentence)
            raise NotPassedError("\n\n".join(filter(None, told)))

    def _run_here(self) -> None:
        from dllab.checks import run_here
        from dllab.lab.code import import_lab

        lab, draws = self.file.lab, self.file.draws
        seed = draws.seed(self.name)
        outcome = run_here(self.check, import_lab(lab, lab.code), seed)
        draws.settle(self.name, seed, failed=not outcome.ok)
        if not outcome.ok:
            raise NotPassedError(f"{outcome.message}\n\n{self.check.sentence}")

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """The check's words alone, or the learner's own frames of what their code raised."""
        from dllab.lab.code import learner_traceback

        if isinstance(excinfo.value, NotPassedError):
            return str(excinfo.value)
        return learner_traceback(excinfo.value, self.file.lab.code)

    def reportinfo(self) -> tuple[Path, None, str]:
        """How pytest names the check."""
        return self.file.lab.code, None, self.name
