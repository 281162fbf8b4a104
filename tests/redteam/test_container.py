"""Grading as a container has it: no namespaces, and root with the few rights left to it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environments import REPO

# what Docker gives without being asked
RIGHTS = (
    "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,"
    "+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap"
)

# What only the grader's own look can stop there, and what else it would need rights for.
ATTACKS = (
    "fork_bomb",
    "memory_hogs",
    "orphans",
    "disk_filler",
    "many_files",
    "survivor",
    "read",
    "signals",
)

# Where Python lies in a folder of root's own, users without rights get at it by another one.
ENTER = """
set -e
if [ -n "$CLOSED" ]; then
    mount --bind "$PYTHON" "$ASIDE"
    mount -t tmpfs -o mode=755 none "$CLOSED"
    mkdir -p "$PYTHON"
    mount --bind "$ASIDE" "$PYTHON"
fi
exec setpriv --inh-caps=-all --bounding-set="$RIGHTS" "$@"
"""
GRADE = """
import json, sys
from pathlib import Path
from official_lab import make_stage
from dllab.grading.official import Terms, grade_archive
from dllab.sandbox.backends import open_backend
from dllab.sandbox.selftest import Burglary

stage = make_stage(Path(sys.argv[1]))
with open_backend("auto") as wall:
    terms = Terms(stage.root, wall, hidden=stage.hidden)
    result = grade_archive(stage.submit("ada"), terms)
    with Burglary(wall) as burglary:
        rows = [burglary.attempt(name) for name in sys.argv[2:]]
won = [f"{row.name}: {row.seen}" for row in rows if not row.stopped]
print(json.dumps([wall.name, result.verdict, result.reason, result.score, won]))
"""


def closed_folder(path: Path) -> Path | None:
    """The outermost one on the way to a path through which only its owner may go."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & 1), None)


@pytest.mark.in_turns
def test_landlock_grades_in_a_container_with_dockers_rights(tmp_path: Path) -> None:
    if sys.platform != "linux" or os.geteuid() or not shutil.which("setpriv"):
        pytest.skip("only root on Linux can give rights up")
    python = Path(sys.base_prefix)
    closed = closed_folder(python)
    if closed and closed in REPO.parents:
        pytest.skip(f"this checkout lies in {closed}, where only root may go")
    aside, stage = tmp_path / "python", Path("/tmp") / f"{os.getpid()}-container"
    aside.mkdir()
    stage.mkdir()  # where everybody can reach it
    environment = {
        "PYTHONPATH": f"{REPO}/src:{REPO}/tests",
        "XDG_CONFIG_HOME": str(tmp_path),
        "CLOSED": str(closed or ""),
        "PYTHON": str(python),
        "ASIDE": str(aside),
        "RIGHTS": RIGHTS,
    }
    inside = ("sh", "-c", ENTER, "sh", sys.executable, "-c", GRADE, str(stage), *ATTACKS)
    try:
        done = subprocess.run(
            ("unshare", "--mount", *inside),
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(stage)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["landlock", "graded", "", 20.0, []]
