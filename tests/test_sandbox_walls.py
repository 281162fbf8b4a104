"""Real attacks against every wall that this machine offers; `none` shows that they would hurt."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from data_sets import put_source, write_set
from grading_lab import make_desk
from test_sandbox import CODE, LIMITS, PROBES, call

from dllab.cli import main
from dllab.errors import InfraError
from dllab.sandbox import attacks
from dllab.sandbox.backends import NoWall, find_backend, official_backends
from dllab.sandbox.limits import Limits
from dllab.sandbox.selftest import Burglary
from dllab.sandbox.session import Session
from dllab.sandbox.zygote import Zygote

WALLS = [wall.name for wall in official_backends()]
HARMFUL = (
    "network",
    "read",
    "write",
    "environment",
    "signals",
    "processes_in_sight",
    "kernel_doors",
    "privileges",
    "survivor",
)


# The first is what grading takes; the others take turns.
BY_WALL = [WALLS[0], *(pytest.param(wall, marks=pytest.mark.in_turns) for wall in WALLS[1:])]


@pytest.fixture(scope="module", params=BY_WALL)
def wall(request):
    backend = find_backend(request.param)
    if problem := backend.problem():
        pytest.skip(f"{backend.name} does not work here: {problem}")
    return backend


@pytest.fixture(scope="module")
def burglary(wall):
    with Burglary(wall) as burglary:
        yield burglary


@pytest.fixture
def desk(tmp_path):
    """The tiny lab with code that misbehaves on request."""
    desk = make_desk(tmp_path)
    with (desk.lab.folder / "checks.py").open("a") as checks:
        checks.write(PROBES)
    return desk


@pytest.mark.slow
@pytest.mark.parametrize("name", attacks.ATTACKS)
def test_every_attack_is_stopped(burglary, name):
    row = burglary.attempt(name)
    assert row.stopped, row.seen


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("name", HARMFUL)
def test_without_a_wall_the_same_attacks_succeed(name):
    """So that a wall that stops them has stopped something."""
    if name == "privileges" and os.geteuid() != 0:
        pytest.skip("only root has privileges to show")
    with Burglary(NoWall()) as burglary:
        assert not burglary.attempt(name).stopped
        for process in psutil.process_iter(["cmdline"]):
            if any(word.endswith("-survivor") for word in process.info["cmdline"] or []):
                process.kill()


@pytest.mark.slow
def test_no_state_passes_from_one_submission_to_the_next(burglary):
    """Files, shared memory, environment, patched modules, seeds, threads end with their session."""
    for _ in range(3):
        row = burglary.attempt("state_left")
        assert row.stopped, row.seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("exits", "died"),
        ("hangs", "timeout"),
        ("huge", "output"),
        ("hog", "memory"),
        ("fine", None),
    ],
)
def test_a_session_is_the_same_behind_every_wall(wall, desk, name, kind):
    with Session(desk.lab, desk.write_code(CODE), wall, LIMITS) as session:
        failure = call(session, name).failure
        assert (failure and failure.kind) == kind
        assert call(session, "fine").arrays["calls"] >= 1
    deadline = time.monotonic() + 10  # a guard outside the wall ends a moment after the worker
    while (left := started_for(desk)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left


FORK = """
import os
import torch

Model = Data = None

def fine():
    if (pid := os.fork()) == 0:
        os._exit(7)
    return {"code": torch.tensor(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))}
"""


def test_learner_code_can_fork(wall, desk):
    """A worker that is forked itself knows it: else filelock refuses, from Python 3.12 on."""
    with Session(desk.lab, desk.write_code(FORK), wall, LIMITS) as session:
        reply = call(session, "fine")
    assert reply.failure is None, reply.failure
    assert reply.arrays["code"] == 7


LOADER = """
import torch
from torch.utils.data import DataLoader, IterableDataset

Model = Data = None

class Counted(IterableDataset):
    def __iter__(self):
        return iter(range(6))

def fine():
    rows = DataLoader(torch.arange(6), 2, False, None, None, 2, persistent_workers=True)
    counted = DataLoader(Counted(), batch_size=None, num_workers=1, multiprocessing_context="fork")
    items = torch.cat([*rows, *rows, torch.tensor([*counted])])
    return {"items": items, "workers": torch.tensor([rows.num_workers, counted.num_workers])}
"""


def test_loaders_with_workers_read_the_same_behind_every_wall(wall, desk):
    """Their semaphores and tensors lie in /dev/shm. Landlock gives none, so that loaders there do
    without workers; they still tell how many they were asked for.
    """
    with Session(desk.lab, desk.write_code(LOADER), wall, LIMITS) as session:
        reply = call(session, "fine")
    assert reply.failure is None, reply.failure
    assert reply.arrays["items"].tolist() == [*range(6), *range(6), *range(6)]
    assert reply.arrays["workers"].tolist() == [2, 1]


def started_for(desk):
    """Processes whose command line names this lab: what a wall runs beside the worker."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(str(desk.root) in word for word in process.info["cmdline"] or [])
    ]


@pytest.mark.in_turns
@pytest.mark.slow
def test_the_grader_killed_outright_leaves_nothing(wall, desk, tmp_path):
    """A grader that gets SIGKILL cannot clean up; the kernel must."""
    script = tmp_path / "grader.py"
    script.write_text(GRADER.format(tests=str(Path(__file__).parent), wall=wall.name))
    code = desk.write_code(CODE + SLEEPER)
    grader = subprocess.Popen(
        (sys.executable, str(script), str(desk.root), str(code)), stdout=subprocess.PIPE, text=True
    )
    assert grader.stdout.readline() == "ready\n"
    below = psutil.Process(grader.pid).children(recursive=True)
    assert len(below) > 1
    grader.kill()
    grader.wait()
    grader.stdout.close()
    _, alive = psutil.wait_procs(below, timeout=10)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE]


SLEEPER = """
def leaves_a_sleeper():
    subprocess.Popen(["sleep", "600"])
    return {}
"""
GRADER = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from grading_lab import Desk
from test_sandbox import LIMITS, call
from dllab.sandbox.backends import find_backend
from dllab.sandbox.session import Session

with Session(
    Desk(Path(sys.argv[1])).lab, Path(sys.argv[2]), find_backend({wall!r}), LIMITS
) as session:
    assert not call(session, "leaves_a_sleeper").failure
    print("ready", flush=True)
    time.sleep(100)
"""

POST = """
import subprocess
from dllab.sandbox.guard import Guard

guard = Guard()
left = ["sh", "-c", "sleep 600 & echo $!; wait"]
leader = subprocess.Popen(left, start_new_session=True, stdout=subprocess.PIPE, text=True)
guard.watch(leader.pid)
print(leader.stdout.readline().strip(), flush=True)
{ends}
input()
"""


@pytest.mark.parametrize("ends", ["leader.kill()", "import os; os._exit(0)"])
def test_a_guard_ends_what_a_leader_leaves_once_it_or_who_posted_it_is_gone(ends):
    pipe = subprocess.PIPE
    script = (sys.executable, "-c", POST.format(ends=ends))
    with subprocess.Popen(script, stdin=pipe, stdout=pipe, text=True) as poster:
        left = psutil.Process(int(poster.stdout.readline()))
        _, alive = psutil.wait_procs([left], timeout=10)
        poster.kill()
    assert not alive or left.status() == psutil.STATUS_ZOMBIE


@pytest.mark.in_turns
@pytest.mark.slow
def test_one_that_hangs_does_not_delay_the_others(desk):
    """A zygote serves many sessions at once, and each one's limit is its own."""
    from concurrent.futures import ThreadPoolExecutor

    code = desk.write_code(CODE)
    with Zygote() as zygote, ThreadPoolExecutor(6) as pool:
        if problem := zygote.problem():
            pytest.skip(problem)

        def grade(name):
            with Session(desk.lab, code, zygote, LIMITS) as session:
                return call(session, name).failure, time.monotonic()

        hanging = pool.submit(grade, "hangs")
        others = [pool.submit(grade, name) for name in ("fine", "exits", "fine", "huge", "fine")]
        ended = [other.result() for other in others]
        failure, last = hanging.result()
    assert [reply and reply.kind for reply, _ in ended] == [None, "died", None, "output", None]
    assert failure.kind == "timeout"
    assert all(moment < last for _, moment in ended)


READER = """
from importlib.util import find_spec
from pathlib import Path

import torch

from dllab.data import vocabulary

Model = Data = None


def opened(path):
    try:
        return len(path.read_bytes()) > 0
    except OSError:
        return False


def look():
    folders = [Path("@ROOT@/data/toy"), Path("@COURSE@/data/notes")]
    rows = [folder / "train.parquet" for folder in folders]
    rows.append(Path(find_spec("sklearn").origin).parent / "datasets/data/digits.csv.gz")
    return {
        "rows": torch.tensor([opened(path) for path in rows]),
        "told": torch.tensor([opened(folder / "dataset.yaml") for folder in folders]),
        "words": torch.tensor(len(vocabulary("notes"))),
    }
"""


@pytest.mark.slow
def test_rows_are_out_of_reach_unless_they_are_released(wall, desk, tmp_path, monkeypatch):
    """In the project and beside other labs; what scikit-learn brings along is never seen."""
    course = tmp_path / "course"
    write_set(desk.root / "data", "image", "toy")
    write_set(course / "data", "text", "notes")
    monkeypatch.chdir(desk.root)
    monkeypatch.setenv("DLLAB_LABS", str(course))
    for name in ("toy", "notes"):
        put_source(desk.root, name)
        assert main(["data", "build", name]) == 0
    code = READER.replace("@ROOT@", str(desk.root)).replace("@COURSE@", str(course))
    path, limits = desk.write_code(code), Limits(request_s=120)
    for released in (False, True):
        with Session(desk.lab, path, wall, limits, released=released) as session:
            reply = call(session, "look")
        assert reply.failure is None, (reply.failure, reply.log)
        assert reply.arrays["rows"].tolist() == [released, released, False]
        assert reply.arrays["told"].tolist() == [True, True]
        assert reply.arrays["words"] == 18


def test_a_wall_that_cannot_give_sockets_names_the_one_that_can(desk):
    wall = find_backend("landlock")
    if problem := wall.problem():
        pytest.skip(problem)
    limits = Limits(sockets=True)
    with (
        Session(desk.lab, desk.write_code(CODE), wall, limits) as session,
        pytest.raises(InfraError, match="sockets") as raised,
    ):
        session.open()
    assert "bubblewrap" in raised.value.hint


def test_a_worker_that_cannot_start_is_our_fault(desk):
    wall = find_backend("bubblewrap")
    if problem := wall.problem():
        pytest.skip(problem)
    limits = Limits(memory_mb=30)
    with (
        Session(desk.lab, desk.write_code(CODE), wall, limits) as session,
        pytest.raises(InfraError, match="no worker behind"),
    ):
        session.open()


GLOO = """
import os
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Model = Data = None

def _rank(rank, queue):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29511")
    dist.init_process_group("gloo", rank=rank, world_size=2)
    x = torch.tensor([float(rank + 1)])
    dist.all_reduce(x)
    queue.put(float(x))
    dist.destroy_process_group()

def fine():
    context = mp.get_context("fork")
    queue = context.SimpleQueue()
    ranks = [context.Process(target=_rank, args=(rank, queue)) for rank in range(2)]
    [rank.start() for rank in ranks]
    [rank.join() for rank in ranks]
    return {"sums": torch.tensor([queue.get(), queue.get()])}
"""


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("name", ["zygote", "bubblewrap"])
def test_gloo_talks_to_itself_behind_a_wall(desk, name):
    wall = find_backend(name)
    if problem := wall.problem():
        pytest.skip(problem)
    limits = Limits(sockets=True, request_s=60)
    with Session(desk.lab, desk.write_code(GLOO), wall, limits) as session:
        reply = call(session, "fine")
    assert reply.failure is None, (reply.failure, reply.log)
    assert torch.equal(reply.arrays["sums"], torch.tensor([3.0, 3.0]))
