"""What a worker can reach: the files it may read, those hidden from it, and its environment."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import dllab
from dllab.lab.find import Lab
from dllab.sandbox.datasets import view_of
from dllab.sandbox.job import Job
from dllab.sandbox.limits import Limits
from dllab.sandbox.room import driver_environment

WORKER = (sys.executable, "-P", "-s", "-m", "dllab.sandbox.worker")


@dataclass(frozen=True)
class Reach:
    """What code of a lab may see: itself and its files, the lab, the artifacts handed in.

    Data sets are out of its reach, vocabularies apart, unless they are `released`.
    """

    lab: Lab
    code: Path | None
    artifacts: Path | None
    released: bool = False

    @property
    def files(self) -> Path | None:
        """The folder of what the lab lets learners hand in beside their code."""
        beside = self.code.parent / "files" if self.code and self.lab.spec.learner_files else None
        return beside if beside and beside.is_dir() else None

    def must_read(self, *, probes: bool) -> list[Path]:
        """The files without which a worker is of no use; the hidden `probes` if it may see them."""
        own = (self.lab.folder / "checks.py", *self._probes(shown=probes), self.code)
        return [path for path in own if path and path.is_file()]

    def job(self, scratch: Path, limits: Limits, *, probes: bool) -> Job:
        """A worker within that reach."""
        labs, source = self.lab.folder.parent, Path(dllab.__file__).parents[1]
        author = self.lab.folder / "_author"
        data = view_of(self.lab.root, released=self.released)
        return Job(
            command=WORKER,
            environment=environment(scratch, source, self.lab.root, data.labs, limits),
            scratch=scratch,
            readable=(
                Path(sys.prefix),
                Path(sys.base_prefix),
                source / "dllab",
                self.lab.folder,
                *self._probes(shown=probes),
                self.lab.root / "pyproject.toml",
                *data.readable,
                *(path for path in (self.code, self.files, self.artifacts) if path),
            ),
            # behind a link as well: what is readable is so at its real place too
            hidden=tuple(
                dict.fromkeys(p for path in (author, *data.hidden) for p in (path, path.resolve()))
            ),
            searched=(source, labs, *data.searched),
            limits=limits,
        )

    def _probes(self, *, shown: bool) -> tuple[Path, ...]:
        return (self.lab.folder / "_author" / "probes.py",) if shown else ()


def environment(
    scratch: Path, source: Path, root: Path, labs: str, limits: Limits
) -> dict[str, str]:
    """Nothing of the grader's own environment but the language: no tokens, no proxies, no paths."""
    return {
        "PATH": "/usr/bin:/bin",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "PYTHONPATH": str(source),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DLLAB_ROOT": str(root),
        "DLLAB_LABS": labs,
        "OMP_NUM_THREADS": str(limits.threads),
        "MKL_NUM_THREADS": str(limits.threads),
        **(driver_environment() if limits.gpu else {}),
    }
