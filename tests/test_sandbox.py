"""One worker, code that misbehaves on request, and what the grader sees of it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from grading_lab import make_desk

from dllab.errors import InfraError, LabError
from dllab.sandbox.backends import find_backend
from dllab.sandbox.deadline import Deadline
from dllab.sandbox.forking import ForkServer
from dllab.sandbox.limits import Limits
from dllab.sandbox.session import Session
from dllab.sandbox.wire import Decoder, Frame, TooLargeError, WireError, pack, unpack

LIMITS = Limits(request_s=6, reply_bytes=1 << 20, log_bytes=1000, memory_mb=3000)

PROBES = """
def call_probe(lab, given):
    return getattr(lab, bytes(given["name"].tolist()).decode())()
"""

CODE = '''
import os, signal, subprocess, sys
import torch
from dllab.sandbox.wire import Frame, pack

Model = Data = None
state = {"calls": 0}


class Equal(torch.Tensor):
    """Equals everything."""
    def __eq__(self, other):
        return True


class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("no")


def fine():
    state["calls"] += 1
    return {"calls": torch.tensor(state["calls"])}

def subclass():
    return {"y": torch.ones(3).as_subclass(Equal)}

def sparse():
    return {"y": torch.ones(3).to_sparse()}

def parameter():
    return {"y": torch.nn.Parameter(torch.ones(3))}

def views():
    x = torch.arange(6.0).reshape(2, 3)
    return {"whole": x, "turned": x.T, "row": x[1]}

def nothing():
    return None

def forgets():
    return {"y": None}

def raises():
    return inner(1)

def inner(x):
    return x / 0

def hostile():
    raise Hostile

def leaves():
    sys.exit(0)

def todo():
    raise NotImplementedError("TODO double: multiply by two")

def exits():
    print("farewell", flush=True)
    os._exit(0)

def killed():
    os.kill(os.getpid(), signal.SIGKILL)

def hangs():
    while True:
        print("score: 100 " * 50)

def chatters():
    print("score: 100 " * 100_000, flush=True)
    os._exit(0)

def huge():
    return {"y": torch.zeros(1 << 20)}

def hog():
    return {"y": torch.ones(1 << 33)}

def prints():
    os.write(1, Frame({"nonce": "", "serial": 1}, (pack({}),)).encode())
    return {}

def forges():
    frame = Frame({"nonce": "guess", "serial": 1}, (pack({"y": torch.ones(3)}),)).encode()
    for fd in range(3, 64):
        try:
            os.write(fd, frame)
        except OSError:
            pass
    return {}

def spawns():
    sleeper = subprocess.Popen(["sleep", "600"])
    return {"pid": torch.tensor(sleeper.pid)}

def peeks():
    seen = " ".join(os.environ)
    return {"secret": torch.tensor("TOKEN" in seen), "folder": torch.tensor(list(os.getcwdb()))}
'''


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session for the file above; requests that lose the worker make it start another."""
    desk = make_desk(tmp_path_factory.mktemp("project"))
    with (desk.lab.folder / "checks.py").open("a") as checks:
        checks.write(PROBES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", "x")
        code = desk.write_code(CODE)
        with Session(desk.lab, code, find_backend("none"), LIMITS) as session:
            yield session


def call(session, name):
    given = {"name": torch.tensor(list(name.encode()))}
    return session.probe("checks", "call_probe", given, seed=0)


def test_requests_share_one_worker(session):
    before = call(session, "fine").arrays["calls"]
    assert call(session, "fine").arrays["calls"] == before + 1


def test_arrays_come_back_whole_whatever_their_layout(session):
    arrays = call(session, "views").arrays
    assert torch.equal(arrays["turned"], torch.arange(6.0).reshape(2, 3).T)
    assert torch.equal(arrays["row"], torch.tensor([3.0, 4.0, 5.0]))
    assert type(call(session, "parameter").arrays["y"]) is torch.Tensor


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("subclass", "expected a plain tensor, got Equal"),
        ("sparse", "expected a dense tensor"),
        ("nothing", "is a `return` missing?"),
        ("forgets", "y: it is None; is a `return` missing?"),
        ("raises", "ZeroDivisionError"),
        ("hostile", "Hostile, which raised RuntimeError when shown"),
        ("leaves", "SystemExit"),
        ("todo", "not done yet: double: multiply by two"),
    ],
)
def test_what_cannot_be_used_is_a_failure_that_says_why(session, name, words):
    failure = call(session, name).failure
    assert failure.kind == "raised"
    assert words in failure.message


def test_an_exception_brings_the_learners_frames_and_no_others(session):
    trace = call(session, "raises").failure.traceback
    assert "in raises" in trace
    assert "in inner" in trace
    assert "worker.py" not in trace
    assert "checks.py" not in trace


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("exits", "died", "exit code 0"),
        ("killed", "died", "SIGKILL"),
        ("hangs", "timeout", "timed out after 6 s"),
        ("huge", "output", "allowed are 1048576"),
        ("forges", "protocol", ""),
    ],
)
def test_a_lost_worker_fails_one_request_and_the_next_gets_a_new_one(session, name, kind, words):
    reply = call(session, name)
    assert reply.failure.kind == kind
    assert words in reply.failure.message
    assert not reply.arrays
    assert call(session, "fine").arrays["calls"] == 1


def test_the_log_is_kept_and_capped(session):
    assert "farewell" in call(session, "exits").log
    assert len(call(session, "chatters").log) == LIMITS.log_bytes


def test_too_much_memory_is_named_as_such(session):
    assert call(session, "hog").failure.kind == "memory"


def test_frames_on_standard_output_are_only_a_log(session):
    reply = call(session, "prints")
    assert reply.failure is None
    assert reply.arrays == {}


def test_the_graders_environment_stays_with_the_grader(session):
    arrays = call(session, "peeks").arrays
    assert not arrays["secret"]
    assert bytes(arrays["folder"].tolist()).decode() != str(Path.cwd())


def test_leaving_a_session_ends_what_the_code_started(tmp_path):
    desk = make_desk(tmp_path)
    with (desk.lab.folder / "checks.py").open("a") as checks:
        checks.write(PROBES)
    with Session(desk.lab, desk.write_code(CODE), find_backend("none"), LIMITS) as session:
        pid = int(call(session, "spawns").arrays["pid"])
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_code_that_cannot_be_imported_is_tried_once(tmp_path):
    desk = make_desk(tmp_path)
    code = desk.write_code("Model = Data = 1\nunknown + 1\n")
    with Session(desk.lab, code, find_backend("none"), LIMITS) as session:
        first, second = session.open(), session.open()
    assert first.failure.kind == "import"
    assert "mine.py:2" in first.failure.message
    assert second is first


def test_backends_are_named_when_one_is_unknown():
    with pytest.raises(LabError, match="no sandbox backend"):
        find_backend("docker")


def test_frames_survive_any_cut():
    frame = Frame({"op": "x", "n": 1}, (pack({"x": torch.arange(3)}), b""))
    decoder, whole = Decoder(), frame.encode()
    parts = [decoder.feed(bytes([byte])) for byte in whole]
    assert parts[:-1] == [None] * (len(whole) - 1)
    assert parts[-1].header == frame.header
    assert torch.equal(unpack(parts[-1].blobs[0])["x"], torch.arange(3))


@pytest.mark.parametrize(
    "data",
    [
        Frame({}).encode() + b"more",
        Frame({}).encode().replace(b'"sizes": []', b'"sizes": 77'),
        Frame({}).encode().replace(b'"sizes": []', b'"sizes": [1'),
        Frame({}).encode().replace(b'{"sizes": []}', b"[1234567890.]"),
    ],
)
def test_bytes_that_are_no_frame_are_refused(data):
    with pytest.raises(WireError):
        Decoder().feed(data)


def test_an_announced_flood_is_refused_before_it_comes():
    with pytest.raises(TooLargeError):
        Decoder(cap=10).feed(Frame({}, (bytes(11),)).encode()[:12])


def test_arrays_that_are_not_safetensors_are_refused():
    with pytest.raises(WireError, match="safetensors"):
        unpack(b"\x80\x04K*.")


BUSY = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])})\nwhile True: pass"


def test_f13_time_without_a_core_does_not_count_but_not_without_end():
    """Five programs want one core; a sixth sleeps."""
    core = str(min(os.sched_getaffinity(0)))
    crowd = [subprocess.Popen([sys.executable, "-c", BUSY, core]) for _ in range(5)]
    idle = subprocess.Popen(["sleep", "60"])
    try:
        time.sleep(0.5)  # they start
        starved, asleep = Deadline(crowd[0].pid, 1.0), Deadline(idle.pid, 1.0)
        time.sleep(1.2)
        assert starved.left > 0.2
        assert asleep.left < 0
        time.sleep(0.5)
        assert 0 < starved.lent <= 3.0, "there is an end to it"
    finally:
        for process in (*crowd, idle):
            process.kill()
            process.wait()


def test_a_warm_process_that_dies_says_why(tmp_path: Path) -> None:
    (tmp_path / "dies.py").write_text("raise RuntimeError('an import has started threads')\n")
    server = ForkServer("dies", (), {"PYTHONPATH": str(tmp_path)})
    with pytest.raises(InfraError, match="RuntimeError: an import has started threads"):
        server.fork({})
