"""What `budgets: {gpu: true}` of a lab.yaml lets through each wall, told without a GPU."""

from pathlib import Path

import pytest
from grading_lab import make_desk

from dllab.errors import InfraError
from dllab.lab.spec import Budgets
from dllab.sandbox import bubblewrap, identity, landlocked, prefork, reach, room, session
from dllab.sandbox.backends import NoWall, find_backend
from dllab.sandbox.job import Job
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session

DEVICES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Of a lab that asks for a GPU, on a machine that shows one."""
    for module in (room, bubblewrap, identity, landlocked, session):
        if hasattr(module, "gpu_devices"):
            monkeypatch.setattr(module, "gpu_devices", lambda: DEVICES)
    limits = Limits.of(Budgets(gpu=True))
    return Job(("true",), {}, tmp_path, readable=(), hidden=(), searched=(), limits=limits)


def without_gpu(job: Job) -> Job:
    return Job(job.command, {}, job.scratch, (), (), (), Limits.of(Budgets()))


def test_a_namespace_holds_the_devices_and_nothing_else_new(job: Job) -> None:
    added = set(room.Furnishing.of(job).devices) - set(room.Furnishing.of(without_gpu(job)).devices)
    assert added == set(DEVICES)


def test_bubblewrap_binds_the_devices(job: Job) -> None:
    words = bubblewrap._bwrap(job, None)
    bound = {words[i + 1] for i, word in enumerate(words) if word == "--dev-bind"}
    assert bound == set(DEVICES)
    assert "--dev-bind" not in bubblewrap._bwrap(without_gpu(job), None)


def test_landlock_opens_the_devices(job: Job) -> None:
    assert set(DEVICES) <= set(identity.confinement(job, None).devices)
    assert not set(DEVICES) & set(identity.confinement(without_gpu(job), None).devices)


def test_the_driver_is_found_where_the_grader_finds_it(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64")
    where = {"LD_LIBRARY_PATH": "/usr/local/nvidia/lib64"}
    asked = reach.environment(job.scratch, Path(), Path(), "", job.limits)
    assert asked.items() >= where.items()
    assert prefork.environment().items() >= where.items()
    other = reach.environment(job.scratch, Path(), Path(), "", without_gpu(job).limits)
    assert "LD_LIBRARY_PATH" not in other


def test_the_machine_may_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Official grading says so, as a fault of ours; practice computes on the processor."""
    desk = make_desk(tmp_path)
    monkeypatch.setattr(session, "gpu_devices", lambda: ())
    limits = Limits.of(Budgets(gpu=True))
    with (
        Session(desk.lab, desk.lab.code, find_backend("auto"), limits) as asked,
        pytest.raises(InfraError, match="asks for a GPU"),
    ):
        asked.open()
    with Session(desk.lab, desk.lab.code, NoWall(), limits) as practice:
        assert practice.device == "cpu"
