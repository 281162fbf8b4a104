"""Workers in groups of the kernel's: where cgroup v2 is delegated to whoever runs these tests.

systemd-run --scope -p Delegate=yes .venv/bin/python -m pytest tests/test_sandbox_cgroup.py
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from official_lab import FULL_SOCKETS, HONEST, Stage, make_stage

from dllab.sandbox import cgroup, supervisor
from dllab.sandbox.backends import Backend, open_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.reply import Reply
from dllab.sandbox.session import Session

LIMITS = Limits(request_s=60, memory_mb=500, scratch_mb=16, processes=32)
in_a_group = pytest.mark.skipif(bool(cgroup.problem()), reason=cgroup.problem())
FORKS = """
import os
import time


def double(x):
    while True:
        os.fork() or time.sleep(60)
"""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return make_stage(tmp_path)


@pytest.fixture(params=["zygote", "bubblewrap", "landlock"])
def wall(request: pytest.FixtureRequest) -> Iterator[Backend]:
    with open_backend(request.param) as backend:
        if problem := backend.problem():
            pytest.skip(f"{backend.name} does not work here: {problem}")
        yield backend


def ask(stage: Stage, wall: Backend, code: str) -> Reply:
    """What comes of a probe that calls `double`."""
    mine = stage.root / "mine.py"
    mine.write_text(code)
    with Session(stage.lab, mine, wall, LIMITS) as session:
        return session.probe("checks", "double_probe", {"x": torch.ones(3)}, seed=1)


def workers() -> list[Path]:
    """The groups that there are now."""
    own = Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::/")
    mount = next(Path("/sys/fs/cgroup").glob("**/cgroup.procs")).parent
    return list((mount / own).parent.glob("worker-*"))


def test_f6_without_a_group_the_reason_is_known(stage: Stage, warm: Backend) -> None:
    """And a grade goes on with what `watch` counts."""
    if cgroup.problem():
        assert "cgroup" in cgroup.problem()
        assert cgroup.new_group(LIMITS) is None
    assert ask(stage, warm, HONEST).failure is None


@in_a_group
def test_f6_a_worker_lives_in_a_group_that_ends_with_it(stage: Stage, wall: Backend) -> None:
    mine = stage.root / "mine.py"
    mine.write_text(HONEST)
    with Session(stage.lab, mine, wall, LIMITS) as session:
        assert session.open().failure is None
        [group] = workers()
        assert session.pid in map(int, (group / "cgroup.procs").read_text().split())
        assert os.getpid() not in map(int, (group / "cgroup.procs").read_text().split())
    assert workers() == []


@in_a_group
def test_f6_memory_that_no_process_holds_is_counted(stage: Stage, wall: Backend) -> None:
    """Buffers of sockets: more than is allowed, and hardly a page of a process."""
    if wall.name == "landlock":
        pytest.skip("no sockets behind it")
    failure = ask(stage, wall, HONEST + FULL_SOCKETS).failure
    assert failure is not None
    assert (failure.kind, "500 MB of memory" in failure.message) == ("memory", True)


@in_a_group
def test_f6_without_a_group_they_would_not_be(
    stage: Stage, wall: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    if wall.name != "zygote":
        pytest.skip("the same behind the others")
    monkeypatch.setattr(supervisor, "new_group", lambda _limits: None)
    assert ask(stage, wall, HONEST + FULL_SOCKETS).failure is None


@in_a_group
def test_f6_processes_are_as_many_as_may_be(stage: Stage, wall: Backend) -> None:
    failure = ask(stage, wall, HONEST + FORKS).failure
    assert failure is not None
    assert failure.kind == "raised"
    assert "BlockingIOError" in failure.message
    assert workers() == []
