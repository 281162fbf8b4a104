"""Every attack as a real submission, graded officially. `outcomes.yaml` says what each one wins."""

import json
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import psutil
import pytest
import torch
import yaml
from archives import ARCHIVES
from official_lab import CURVE, HERE, HONEST, Stage, make_stage

from dllab.grading.grade import grade_run
from dllab.grading.hidden import HiddenSet
from dllab.grading.official import Terms, grade_archive
from dllab.lab.layout import Layout
from dllab.result import Result
from dllab.sandbox.backends import find_backend, official_backends, open_backend
from dllab.submission.intake import take_in

OUTCOMES = yaml.safe_load((HERE / "outcomes.yaml").read_text(encoding="utf-8"))
BY_CODE = sorted(file.stem for file in (HERE / "attacks").glob("*.py"))
PASSING = ("torch", "sem.", "psm_", "__KMP")  # made and removed by libraries in /dev/shm
# Attacks that any wall must stop, and the walls behind the first, which stops them all.
OTHER_WALLS = [wall.name for wall in official_backends() if not wall.problem()][1:]
EVERYWHERE = ("reads_paths", "opens_sockets", "background", "fork_bomb", "escapes_by_import")


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The stage, with a host around it that must be as it was when all is over."""
    folder = tmp_path_factory.mktemp("redteam")
    home = folder / "home"
    home.mkdir()
    (home / "canary.txt").write_text("CANARY")
    with pytest.MonkeyPatch.context() as patch, Listener(folder / "socket") as listener:
        patch.setenv("CANARY", "CANARY")
        patch.setenv("DLLAB_GRADER_KEY", str(home / "grader.pem"))
        stage = make_stage(folder)
        stage.fills = {"HOME": str(home), **listener.addresses}
        assert stage.lab.spec.checks  # what is read once is kept in the project's cache
        assert Layout.of("toy", stage.root).classes == 2
        before = snapshot(stage)
        yield stage
        assert snapshot(stage) == before, "files outside scratch were changed"
        assert listener.visitors == []


@pytest.fixture(scope="module")
def warm() -> Iterator[Any]:
    children = set(psutil.Process().children(recursive=True))
    with open_backend("auto") as backend:
        yield backend
    left = set(psutil.Process().children(recursive=True)) - children
    assert not [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


class Listener:
    """Someone on this machine who would answer, by every kind of socket."""

    def __init__(self, path: Path) -> None:
        abstract = f"dllab-redteam-{secrets.token_hex(4)}"
        self.visitors: list[object] = []
        self.sockets = [
            _bound(socket.AF_INET, ("127.0.0.1", 0)),
            _bound(socket.AF_UNIX, str(path)),
            _bound(socket.AF_UNIX, f"\0{abstract}"),
        ]
        port = str(self.sockets[0].getsockname()[1])
        self.addresses = {"PORT": port, "SOCKET": str(path), "ABSTRACT": abstract}

    def __enter__(self) -> Self:
        for one in self.sockets:
            threading.Thread(target=self._answer, args=(one,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.sockets:
            one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _answer(self, one: socket.socket) -> None:
        while True:
            try:
                connection, address = one.accept()
            except OSError:
                return
            self.visitors.append(address)
            connection.sendall(b"x")
            connection.close()


def _bound(family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.bind(address)
    made.listen()
    return made


def snapshot(stage: Stage) -> dict[str, bytes]:
    """All that an attack could want to change, but for what the stage itself writes."""
    own = ("archives", "runs", "__pycache__", "lab.py", "socket", "grader.pem", "grader.pub")
    files = {
        str(file): file.read_bytes()
        for file in stage.root.parent.rglob("*")
        if file.is_file() and not any(part in own for part in file.parts)
    }
    # Tests of other workers come and go with shared memory of their own.
    shared = (file for file in Path("/dev/shm").iterdir() if not file.name.startswith(PASSING))
    return {**files, **{str(file): b"" for file in shared}}


def grade(stage: Stage, archive: Path, backend: Any, **options: Any) -> Result:
    return grade_archive(archive, Terms(stage.root, backend, "official", stage.hidden, **options))


def judge(result: Result, outcome: dict[str, Any]) -> None:
    """Verdict, points and evidence are as outcomes.yaml has them, and no loot is on show."""
    shown = json.dumps(result.plain())
    assert result.verdict == outcome["verdict"], (result.reason, shown[:3000])
    counted = result.score if result.verdict == "graded" else 0
    assert counted <= outcome.get("most", 0), [r for r in result.checks if r.points]
    assert not result.passed
    for words in outcome["evidence"]:
        assert words in shown, (words, shown[:3000])
    learners = [result.reason, *(row.message for row in result.checks)]
    assert not [text for text in learners if "LOOT" in text], "hidden inputs were quoted"
    assert all(c.isprintable() or c in "\n\t" for text in learners for c in text)
    assert len(shown) < 500_000


def test_every_attack_has_its_outcome() -> None:
    assert sorted(OUTCOMES["code"]) == [name for name in BY_CODE if name != "grows_by_config"]
    assert sorted(OUTCOMES["archives"]) == sorted(ARCHIVES)


@pytest.mark.parametrize("attack", sorted(OUTCOMES["code"]))
def test_no_code_wins_a_point(stage: Stage, warm: Any, attack: str) -> None:
    archive = stage.submit("x", stage.code(attack))
    judge(grade(stage, archive, warm), OUTCOMES["code"][attack])


@pytest.mark.parametrize("attack", sorted(OUTCOMES["archives"]))
def test_no_archive_wins_a_point(stage: Stage, warm: Any, attack: str) -> None:
    archive = ARCHIVES[attack](stage)
    judge(grade(stage, archive, warm), OUTCOMES["archives"][attack])
    assert not (stage.root / "LOOT").exists()


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("attack", EVERYWHERE)
@pytest.mark.parametrize("name", OTHER_WALLS)
def test_every_wall_stops_it(stage: Stage, name: str, attack: str) -> None:
    archive = stage.submit("x", stage.code(attack))
    with open_backend(name) as backend:
        judge(grade(stage, archive, backend), OUTCOMES["code"][attack])


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.parametrize("attack", ["reads_paths", "opens_sockets", "remembers_the_first_pass"])
def test_without_a_wall_it_would_win(tmp_path: Path, attack: str) -> None:
    """The attacks are real: with nothing in their way, they get what they are after."""
    stage = make_stage(tmp_path)
    with tempfile.TemporaryDirectory() as short, Listener(Path(short) / "s") as listener:
        stage.fills = {"HOME": str(tmp_path), **listener.addresses}
        run = take_in(stage.submit("x", stage.code(attack)), stage.lab, tmp_path / "in").run
        source, backend = HiddenSet(stage.hidden, stage.lab), find_backend("none")
        graded = grade_run(stage.lab, run, mode="practice", backend=backend, source=source)
    assert graded.result.score >= 5


def test_honest_work_gets_full_marks(stage: Stage, warm: Any) -> None:
    result = grade(stage, stage.submit("ada"), warm)
    assert (result.verdict, result.passed) == ("graded", True)
    assert result.score == result.max_score == 20
    assert result.submission.learner == "ada"
    assert result.metrics[0].claimed_value == 0.99
    assert {row.status for row in result.checks} == {"pass"}


THREADS = HONEST.replace("def double", "torch.set_num_threads(2)\n\n\ndef double")
RESUMED = CURVE + json.dumps({"step": 10, "epoch": 1, "train/loss": 0.2, "resumed": True}) + "\n"
UNLUCKY = HONEST.replace(
    "        return torch.stack([-total, total], 1) * self.scale",
    "        total = total * torch.where(batch['series'][:, 0, 0].abs() < @WRONG@, -1.0, 1.0)\n"
    "        return torch.stack([-total, total], 1) * self.scale",
)


@pytest.mark.parametrize(
    "options",
    [
        {"code": THREADS},
        {"curve": RESUMED},
        {"weights": {"scale": torch.tensor(3.0) * (1 + 1e-6)}},
        {"code": UNLUCKY.replace("@WRONG@", "0.135")},
    ],
    ids=["other threads", "resumed", "another machine's rounding", "just under the target"],
)
def test_honest_work_is_never_flagged(stage: Stage, warm: Any, options: dict[str, Any]) -> None:
    result = grade(stage, stage.submit("x", **options), warm)
    assert (result.verdict, result.passed, result.score) == ("graded", True, 20), result
    assert {row.status for row in result.checks} == {"pass"}


def test_a_miss_by_bad_luck_is_a_miss(stage: Stage, warm: Any) -> None:
    """The control above really lies below its target of 0.9."""
    archive = stage.submit("x", UNLUCKY.replace("@WRONG@", "0.135"))
    value = grade(stage, archive, warm).metrics[0].value
    assert 0.88 <= value < 0.9


@pytest.mark.in_turns
@pytest.mark.parametrize("attack", ["reads_training_data", "reads_paths"])
def test_links_in_the_project_are_no_side_door(
    stage: Stage, warm: Any, tmp_path: Path, attack: str
) -> None:
    """What is covered at its place in the project is covered at its real place too."""
    (tmp_path / "pyproject.toml").touch()
    for name in ("labs", "data"):
        (tmp_path / name).symlink_to(stage.root / name)
    archive = stage.submit("x", stage.code(attack))
    result = grade_archive(archive, Terms(tmp_path, warm, "official", stage.hidden))
    judge(result, OUTCOMES["code"][attack])
