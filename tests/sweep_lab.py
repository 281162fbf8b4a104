"""A sweep whose runs leave a note, wherever a launcher carries them."""

import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
from config_lab import TINY, make_root, write_lab

REPO = Path(__file__).resolve().parent.parent

# A run notes what it was asked for; it is found by name where a launcher carries it.
JOBS = """
import os
from pathlib import Path
from dllab.errors import LabError

def note(root, lab_id, overrides):
    if "model.lr=13" in overrides:
        raise LabError("thirteen brings bad luck", "take another rate")
    (root / "noted" / f"{overrides[0]}-{os.getpid()}").touch()
    return 0
"""

SWEEP = """
import os, sys
from pathlib import Path
from dllab.config.sweep import multirun
from dllab.errors import LabError
from dllab.lab.find import find_lab
from jobs import note

try:
    sys.exit(multirun(find_lab(Path.cwd(), "90"), sys.argv[1:], note))
except LabError as error:
    print(error.what, os.getpid())
    sys.exit(2)
"""


def launcher(package: str, extra: str) -> pytest.MarkDecorator:
    """Skip where a launcher's package is not installed."""
    missing = not list(distributions(name=package))
    return pytest.mark.skipif(missing, reason=f"pip install 'dllab[{extra}]' to run this")


def make_project(folder: Path) -> Path:
    """A project with one lab that trains nothing, `jobs.py`, and folders for the notes."""
    project = make_root(folder, REPO)
    write_lab(project, "lab90_tiny", TINY)
    (project / "jobs.py").write_text(JOBS)
    for name in ("noted", "begun"):
        (project / name).mkdir()
    return project


def sweep(root: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the project; a launcher's processes find `jobs` by the same path."""
    env = {**os.environ, "PYTHONPATH": f"{root}:{REPO / 'src'}", "RAY_AUTH_MODE": "disabled"}
    command = [sys.executable, "-c", script, *words]
    return subprocess.run(
        command, cwd=root, env=env, capture_output=True, text=True, check=False, timeout=300
    )


def noted(root: Path) -> list[str]:
    """The runs that came to their end, by their first override."""
    return sorted(path.name.rpartition("-")[0] for path in (root / "noted").iterdir())
