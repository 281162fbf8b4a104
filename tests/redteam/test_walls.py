"""What a second round of attacks found, by its letter and number, tried behind every wall.

All but the first take turns: what differs between walls is seldom what a commit changes.
"""

import hashlib
import json
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from official_lab import CHEATER, HONEST, WEIGHTS, Stage, make_stage

from dllab.errors import LabError
from dllab.grading import honest, official
from dllab.grading.official import Terms, grade_archive
from dllab.result import Result
from dllab.sandbox.backends import Backend, open_backend
from dllab.sandbox.limits import Limits
from dllab.sandbox.selftest import Burglary
from dllab.sandbox.session import Session
from dllab.sandbox.zygote import Zygote

OTHERS = [pytest.param(name, marks=pytest.mark.in_turns) for name in ("bubblewrap", "landlock")]


@pytest.fixture(params=["zygote", *OTHERS])
def wall(request: pytest.FixtureRequest, warm: Backend) -> Iterator[Backend]:
    """Each wall that works here; the zygote is up for all tests."""
    if request.param == warm.name:
        yield warm
        return
    with open_backend(request.param) as backend:
        if problem := backend.problem():
            pytest.skip(f"{backend.name} does not work here: {problem}")
        yield backend


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    monkeypatch.setenv("DLLAB_GRADER_KEY", str(tmp_path / "key" / "grader.pem"))
    return make_stage(tmp_path)


def grade(stage: Stage, wall: Backend, code: str = HONEST) -> Result:
    terms = Terms(stage.root, wall, "official", stage.hidden)
    return grade_archive(stage.submit("x", code), terms)


def lost(result: Result) -> list[tuple[str, str]]:
    """Rows that are not whole, and why."""
    return [(row.id, row.message) for row in result.checks if row.status != "pass"]


def test_f1_honest_work_has_all_points_on_hidden_checks_and_items(
    stage: Stage, wall: Backend
) -> None:
    """Also where an author's folder has an `__init__.py`, which no sandbox may read."""
    (stage.lab.folder / "_author" / "__init__.py").write_text("CANARY = 1\n")
    result = grade(stage, wall)
    assert (result.verdict, lost(result)) == ("graded", [])
    assert result.score == result.max_score == 20


def test_f1_the_doctor_sees_a_wall_that_takes_points(
    wall: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks, hidden ones, hidden items, a play and a timing; then with a probe that fails."""
    assert honest.lost_behind(wall) == ""
    if wall.name == "zygote":
        probes = "def hidden_probe(lab, given):\n    raise PermissionError\n"
        monkeypatch.setattr(honest, "PROBES", probes)
        assert honest.lost_behind(wall).startswith("hidden: your code raised")


def test_f1_a_file_of_the_lab_that_cannot_be_read_is_our_fault(stage: Stage, wall: Backend) -> None:
    if os.geteuid():
        pytest.skip("only root's files are closed to whoever grades")
    probes = stage.lab.folder / "_author" / "probes.py"
    probes.chmod(0o600)
    result = grade(stage, wall)
    if result.verdict == "graded":  # landlock alone decides there what may be read
        assert lost(result) == []
    else:
        assert result.verdict == "infra_error"
        assert str(probes) in result.reason


def test_f1_the_graders_umask_costs_nobody_a_point(stage: Stage, wall: Backend) -> None:
    before = os.umask(0o077)
    try:
        result = grade(stage, wall)
    finally:
        os.umask(before)
    assert (result.verdict, lost(result)) == ("graded", [])


EVERYTHING = '''
import inspect


def everything():
    """All items that this worker was given, past the batch that predict gets."""
    frames = (frame.frame.f_locals for frame in inspect.stack())
    return next(f["items"] for f in frames if isinstance(f.get("items"), dict))


def total(items):
    valid = torch.arange(items["series"].shape[1]) < items["lengths"][:, None]
    return (items["series"][..., 0] * valid).sum(1)
'''
# Knows nothing of the classes but that they are even: takes the upper half of what it is given.
BALANCED = """

def predict(self, batch):
    upper = (total(batch) > total(everything()).median()).float()
    scores = torch.stack([1 - upper, upper], 1) * @MARGIN@
    return scores + @HIDE@


Model.predict = predict
"""
HIDES = {
    "openly": ("1.0", "0.0"),
    "a constant of each row": ("1.0", "4e4 * torch.randn(len(scores), 1)"),
    "margins that look like rounding": ("1e-4", "torch.tensor([5.0, 5.0])"),
    "a few rows out of all proportion": (
        "1.0",
        "scores * 3e6 * (torch.rand(len(scores), 1) < 0.03)",
    ),
}


@pytest.mark.parametrize("way", HIDES)
def test_f2_who_compares_the_items_earns_nothing(stage: Stage, warm: Backend, way: str) -> None:
    margin, hide = HIDES[way]
    trick = BALANCED.replace("@MARGIN@", margin).replace("@HIDE@", hide)
    result = grade(stage, warm, CHEATER + EVERYTHING + trick)
    rows = {row.id: row for row in result.checks}
    assert (result.score, result.passed) == (0, False), lost(result)
    assert rows["independent-main"].status == "fail"
    assert rows["independent-main"].evidence["difference"] > 0


COUNTS = """

def predict(self, batch):
    raise ValueError(f"I SAW {len(everything()['lengths'])}.")


Model.predict = predict
"""


def test_f2_no_worker_is_given_all_items(stage: Stage, wall: Backend) -> None:
    shown = json.dumps(grade(stage, wall, HONEST + EVERYTHING + COUNTS).plain())
    assert "I SAW 200." in shown


def test_f3_no_worker_leaves_a_letter_in_the_page_cache(wall: Backend) -> None:
    with Burglary(wall) as burglary:
        row = burglary.attempt("page_cache")
    assert row.stopped, row.seen


SPEAKS = {
    "a forged reply whose header carries it": """
    header = next(f.frame.f_locals["frame"].header for f in inspect.stack()
                  if hasattr(f.frame.f_locals.get("frame"), "header"))
    words = json.dumps({"scores": {"dtype": "LOOT" + seen, "shape": [1], "data_offsets": [0, 4]}})
    blob = struct.pack("<Q", len(words)) + words.encode() + bytes(4)
    echo = {"nonce": header["nonce"], "serial": header["serial"]}
    send(Frame(echo, (blob,)).encode())
""",
    "a failure of a kind that there is not": """
    header = next(f.frame.f_locals["frame"].header for f in inspect.stack()
                  if hasattr(f.frame.f_locals.get("frame"), "header"))
    echo = {"nonce": header["nonce"], "serial": header["serial"]}
    send(Frame({**echo, "failure": {"kind": "LOOT" + seen}}).encode())
""",
    "the length of what it announces": """
    send(struct.pack(">IQ", 10, int("7" + seen) << 20))
""",
    "an exit code": """
    os._exit(77)
""",
    "the number of columns": """
    return torch.zeros(len(batch["lengths"]), 77)
""",
    "the size of a difference": """
    return torch.full((len(batch["lengths"]), 2), 77.0 * torch.rand(()))
""",
}
SPEAKER = """
import inspect
import json
import os
import struct

from dllab.sandbox.wire import Frame


def send(data):
    for descriptor in range(3, 64):
        try:
            os.write(descriptor, data)
        except OSError:
            pass


def predict(self, batch):
    seen = "77"
    @WAY@


Model.predict = predict
"""


@pytest.mark.parametrize("way", SPEAKS)
def test_f4_nothing_that_it_says_of_hidden_items_reaches_the_learner(
    stage: Stage, warm: Backend, way: str
) -> None:
    result = grade(stage, warm, HONEST + SPEAKER.replace("@WAY@", SPEAKS[way].strip()))
    told = [result.reason, *(row.message for row in result.checks)]
    assert not [text for text in told if "LOOT" in text or "77" in text], told
    assert {row.id: row.points for row in result.checks}["accuracy"] == 0


TELLS_PROBES = """
from pathlib import Path

import labs.lab90_tiny.checks as checks


def double(x):
    probes = Path(checks.__file__).parent / "_author" / "probes.py"
    if x.abs().max() < 1e6:
        try:
            raise ValueError(f"LOOT {probes.read_text()}")
        except OSError:
            pass
    return 2 * x
"""


def test_f4_a_visible_check_cannot_tell_what_the_hidden_ones_do(
    stage: Stage, wall: Backend
) -> None:
    result = grade(stage, wall, HONEST + TELLS_PROBES)
    assert (result.verdict, lost(result)) == ("graded", [])


WIDE = """

def predict(self, batch):
    return torch.zeros(len(batch["lengths"]), 20_000)


Model.predict = predict
"""


def test_f5_scores_wider_than_declared_are_never_measured(stage: Stage, warm: Backend) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = grade(stage, warm, HONEST + WIDE)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    row = next(row for row in result.checks if row.id == "accuracy")
    assert (row.status, row.points) == ("fail", 0)
    assert "expected shape [200, 2], got [200, 20000]" in row.evidence["message"]
    assert grown < 200_000, "KiB"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shared_memory", "orphans"])
def test_f6_memory_that_no_process_seems_to_hold_is_counted(wall: Backend, name: str) -> None:
    with Burglary(wall) as burglary:
        row = burglary.attempt(name)
    assert row.stopped, row.seen


SLOW = """
import os
import time


def double(x):
    @MEANWHILE@
    return 2 * x
"""


WITH_A_WORKER = 3  # below the server's first process: process 1, process 2, a worker


@pytest.mark.in_turns
def test_f7_a_server_that_is_killed_costs_no_learner_a_point(stage: Stage) -> None:
    """While learner code is asked for something: our fault, tried again with another server."""
    others = psutil.Process().children()
    with Zygote() as zygote:
        if problem := zygote.problem():
            pytest.skip(problem)
        [server] = set(psutil.Process().children()) - set(others)

        def kill() -> None:
            while len(server.children(recursive=True)) < WITH_A_WORKER:
                time.sleep(0.1)
            time.sleep(1)
            server.kill()

        killer = threading.Thread(target=kill)
        killer.start()
        result = grade(stage, zygote, HONEST + SLOW.replace("@MEANWHILE@", "time.sleep(1.5)"))
        killer.join()
        assert not server.is_running() or server.status() == psutil.STATUS_ZOMBIE
    assert (result.verdict, lost(result)) == ("graded", [])


def test_f7_a_worker_that_somebody_kills_is_asked_once_more(stage: Stage, wall: Backend) -> None:
    code = stage.root / "mine.py"
    code.write_text(HONEST + SLOW.replace("@MEANWHILE@", "time.sleep(2)"))
    given = {"x": torch.ones(3)}
    with Session(stage.lab, code, wall, Limits.of(stage.lab.spec.budgets)) as session:
        assert session.open().failure is None
        killer = threading.Timer(1, session.interrupt)  # SIGKILL from outside
        killer.start()
        reply = session.probe("checks", "double_probe", given, seed=1)
        killer.join()
        assert reply.failure is None, reply.failure
        assert reply.arrays["y"].tolist() == [2, 2, 2]


SUICIDE = """
import os
import signal


def double(x):
    os.fork() or os.kill(os.getppid(), signal.SIGKILL)
    os._exit(9)
"""


def test_f7_code_that_kills_itself_is_no_fault_of_ours(stage: Stage, wall: Backend) -> None:
    result = grade(stage, wall, HONEST + SUICIDE)
    assert result.verdict in ("graded", "ungradable")
    assert not result.passed


COMPILES = """

def predict(self, batch):
    if not hasattr(self, "fast"):
        self.fast = torch.compile(lambda total: torch.stack([-total, total], 1), dynamic=True)
    valid = torch.arange(batch["series"].shape[1]) < batch["lengths"][:, None]
    return self.fast((batch["series"][..., 0] * valid).sum(1)) * self.scale


Model.predict = predict
"""


@pytest.mark.slow
@pytest.mark.in_turns
def test_f8_a_model_that_compiles_itself_is_graded(stage: Stage, warm: Backend) -> None:
    spec = stage.lab.folder / "lab.yaml"
    spec.write_text(spec.read_text().replace("probe_s: 6", "probe_s: 120"))
    result = grade(stage, warm, HONEST + COMPILES)
    assert (result.verdict, lost(result)) == ("graded", [])


@pytest.mark.parametrize(
    "number",
    ["0x" + "f" * 20_000, "0b1" + "0" * 20_000, "1" + ":59" * 2000, "-9223372036854775809"],
    ids=["hexadecimal", "binary", "sexagesimal", "one too many"],
)
def test_f9_an_integer_without_end_is_the_learners(
    stage: Stage, warm: Backend, number: str
) -> None:
    archive = stage.submit("x")
    config = f"arms: {{main: {{model: {{scale: {number}}}}}}}"
    stage.rebuild(archive, lambda files: files.update({"config.yaml": config.encode()}))
    result = grade_archive(archive, Terms(stage.root, warm, "official", stage.hidden))
    assert result.verdict == "ungradable"
    assert "config.yaml" in result.reason


PICKY = '''

@check("double", "Doubling", given=numbers, probe=double_probe, returns={"y": "float32 [3]"})
def double(given, got):
    """`double` returns twice its argument."""
    return close(torch.tensor([1.0, 2.0])[int(got["y"].abs().max() / 100)], torch.tensor(1.0))
'''


def test_f9_what_breaks_a_judge_is_the_learners_where_the_reference_does_not(
    stage: Stage, warm: Backend
) -> None:
    checks = stage.lab.folder / "checks.py"
    text = checks.read_text()
    begin, end = text.index('@check("double"'), text.index("def twice_probe")
    checks.write_text(text[:begin] + PICKY.strip() + "\n\n\n" + text[end:])
    result = grade(stage, warm, HONEST + "\n\ndef double(x):\n    return 1e4 * x.abs() + 1e6\n")
    assert result.verdict == "graded", result.reason
    assert dict(lost(result))["double"].startswith("what your code returned cannot be judged")
    assert grade(stage, warm).score == 20


PICKY_METRIC = '''

from dllab.metrics import metric


@metric("picky", scores="float32 [N, C]", direction="max")
def picky(scores, items):
    """Accuracy, by a metric that counts on scores of modest size."""
    modest = torch.ones(1)[int(scores.abs().max() / 1e6)]
    return (scores.argmax(1) == items["label"]) * modest
'''


def test_f9_what_breaks_a_metric_is_the_learners_where_zeros_do_not(
    stage: Stage, warm: Backend
) -> None:
    lab = stage.lab.folder
    (lab / "checks.py").write_text((lab / "checks.py").read_text() + PICKY_METRIC)
    spec = (lab / "lab.yaml").read_text()
    (lab / "lab.yaml").write_text(spec.replace("metric: accuracy", "metric: picky"))
    assert grade(stage, warm).score == 20
    archive = stage.submit("x", weights={"scale": WEIGHTS["scale"] * 1e9})
    result = grade_archive(archive, Terms(stage.root, warm, "official", stage.hidden))
    assert result.verdict == "graded", result.reason
    assert dict(lost(result)) == {"accuracy": "no number can be made of these scores: IndexError"}


def test_f11_a_result_is_of_the_very_bytes_that_were_graded(
    stage: Stage, warm: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another archive lies in the place of the first one before that is unpacked."""
    other = stage.submit("other", CHEATER).read_bytes()
    archive = stage.submit("x")
    first = hashlib.sha256(archive.read_bytes()).hexdigest()
    take_in = official.take_in

    def swap(taken: Path, *rest: Any) -> Any:
        archive.write_bytes(other)
        return take_in(taken, *rest)

    monkeypatch.setattr(official, "take_in", swap)
    result = grade_archive(archive, Terms(stage.root, warm, "official", stage.hidden))
    assert (result.submission.id, result.score) == (first, 20)


@pytest.mark.parametrize("place", ["data/grader.pem", "labs/lab90_tiny/conf/grader.pem"])
def test_f11_a_key_lies_where_no_learner_reads(
    stage: Stage, warm: Backend, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("DLLAB_GRADER_KEY", str(stage.root / place))
    with pytest.raises(LabError, match="learner code can read"):
        grade(stage, warm)
    assert not (stage.root / place).exists()


RANDOM = """

def predict(self, batch):
    valid = torch.arange(batch["series"].shape[1]) < batch["lengths"][:, None]
    total = (batch["series"][..., 0] * valid).sum(1)
    return torch.dropout(torch.stack([-total, total], 1) * self.scale, 0.4, True)


Model.predict = predict
"""


def test_f12_chance_is_told_from_company(stage: Stage, warm: Backend) -> None:
    result = grade(stage, warm, HONEST + RANDOM)
    assert "change from call to call" in dict(lost(result))["independent-main"]
    assert result.verdict == "graded"
