"""`--replay`: honest runs are never flagged, a made-up end of a training is sent to a person."""

import json
import shutil
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import torch
from official_lab import Files, declared, unzipped, zipped
from safetensors.torch import load, save
from training_lab import Here, Project, stopped_at

from dllab.cli import main
from dllab.rundir.snapshots import plan
from dllab.submission import chain

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_wall")]

REPO = Path(__file__).resolve().parents[1]
SHORT = ["train", "01", "impl=mine", "trainer.max_epochs=3", "trainer.limit_train_batches=50"]
TRAIN = [*SHORT, "trainer.threads=1"]
CURVE, WEIGHTS = "arms/main/curve.jsonl", "arms/main/weights.safetensors"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Lab 01, whole and in place of links to it: a sandbox sees the lab's own folder."""
    project = Project(tmp_path_factory.mktemp("lab01"), REPO)
    code, folder = project.code.read_bytes(), project.code.parent
    shutil.rmtree(folder)
    shutil.copytree(REPO / "labs" / folder.name, folder)
    project.code.write_bytes(code)
    return project


@pytest.fixture(scope="module")
def honest(project: Project) -> Path:
    return hand_in(project, *TRAIN)


def hand_in(project: Project, *train: str) -> Path:
    """Train, and pack the run that this gives."""
    with chdir(project.root):
        assert main([*train, "--no-grade"]) == 0
        run = project.runs()[-1]
        archive = project.root / f"{run.name}.zip"
        assert main(["submit", str(run), "-o", str(archive)]) == 0
    return archive


def replayed(archive: Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """Exit code, result, and the row of the replay."""
    with chdir(archive.parent):
        code = main(["grade", str(archive), "--official", "--replay", "--json", "out.json"])
        result = json.loads(Path("out.json").read_text())
    return code, result, result["checks"][-1]


def assert_no_flag(archive: Path) -> None:
    code, result, row = replayed(archive)
    assert (row["id"], row["status"], row["message"]) == ("replay-main", "pass", "")
    assert (result["verdict"], result["reason"]) == ("graded", "")
    assert code in (0, 1), "so short a training may miss the target"
    assert len(row["evidence"]["segments"]) == 4, "three segments, and the path"


def forge(archive: Path, change: Callable[[Files], None]) -> Path:
    """The archive with other contents, all of it declared and chained as it should be."""
    files = unzipped(archive)
    change(files)
    run_id = json.loads(files["manifest.json"])["run_id"]
    points = [json.loads(line) for line in files[CURVE].decode().splitlines()]
    bare = "".join(
        json.dumps({k: v for k, v in point.items() if k != "chain"}) + "\n" for point in points
    )
    files[CURVE] = chain.link(bare, run_id).encode()
    out = archive.with_name("forged.zip")
    out.write_bytes(zipped(declared(files)))
    return out


def test_an_honest_run_is_not_flagged(honest: Path) -> None:
    assert_no_flag(honest)


def test_nor_is_one_of_other_threads(project: Project) -> None:
    assert_no_flag(hand_in(project, *SHORT, "trainer.threads=2"))


def test_nor_is_a_resumed_one(
    project: Project, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped within the second segment, between its two snapshots."""
    with chdir(project.root):
        code, _, _ = stopped_at(80, Here(capfd), [*TRAIN, "--no-grade"], monkeypatch)
        assert code == 130
    assert_no_flag(hand_in(project, "train", "01", "--resume", str(project.runs()[-1])))


def test_the_same_run_gives_the_same_bytes(project: Project, honest: Path) -> None:
    again = project.root / "again.zip"
    with chdir(project.root):
        assert main(["submit", honest.stem, "-o", str(again)]) == 0
    assert again.read_bytes() == honest.read_bytes()
    names = [name for name in unzipped(again) if "/snapshots/" in name]
    assert len(names) == 6


def polish_the_end(files: Files) -> None:
    """An honest beginning, and a better end of the curve that nobody ran."""
    lines = [json.loads(line) for line in files[CURVE].decode().splitlines()]
    for point in lines[len(lines) // 2 :]:
        if "train/loss" in point:
            point["train/loss"] *= 0.1
    files[CURVE] = "".join(json.dumps(point) + "\n" for point in lines).encode()


def swap_the_weights(files: Files) -> None:
    """An honest run, and weights that come from somewhere else."""
    weights = load(files[WEIGHTS])
    files[WEIGHTS] = save({name: shuffled(value) for name, value in weights.items()})


def make_up_the_end(files: Files) -> None:
    """An honest beginning, then snapshots on a straight line to weights from somewhere else."""
    swap_the_weights(files)
    names = sorted(name for name in files if "/snapshots/" in name)
    names.sort(key=lambda name: int(Path(name).stem))
    start, goal = load(files[names[1]]), load(files[WEIGHTS])
    for number, name in enumerate(names[2:], start=1):
        way = number / (len(names) - 2)
        made_up = {k: torch.lerp(v.float(), goal[k], way).half() for k, v in start.items()}
        files[name] = save(made_up, metadata=place_of(files[name]))


def take_the_snapshots_out(files: Files) -> None:
    for name in [name for name in files if "/snapshots/" in name]:
        del files[name]


def spoil_a_snapshot(files: Files) -> None:
    name = max(name for name in files if "/snapshots/" in name)
    values = load(files[name])
    metadata = place_of(files[name])
    files[name] = save({k: v[..., :1].clone() for k, v in values.items()}, metadata=metadata)


def shuffled(value: torch.Tensor) -> torch.Tensor:
    """As large as before, and unrelated: other weights of the same statistics."""
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(value.numel(), generator=generator)
    return value.flatten()[order].reshape(value.shape)


def place_of(content: bytes) -> dict[str, str] | None:
    """The metadata of safetensors: its header's `__metadata__`."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]).get("__metadata__")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (polish_the_end, "the curve says a loss of"),
        (swap_the_weights, "from the recorded path"),
        (make_up_the_end, "the parameters went"),
        (take_the_snapshots_out, "no snapshots to start from"),
        (spoil_a_snapshot, "does not hold what"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_was_made_up_is_for_a_person_to_look_at(
    honest: Path, change: Callable[[Files], None], said: str
) -> None:
    code, result, row = replayed(forge(honest, change))
    assert (code, result["verdict"], result["passed"]) == (5, "needs_review", False)
    assert row["status"] == "review"
    assert said in row["message"]
    assert said in result["reason"]


def test_segments_lie_all_over_a_training_and_fit_into_their_bytes() -> None:
    assert plan(1000, 1) == [166, 500, 833]
    assert plan(47, 1) == []
    assert plan(1000, 3 << 20) == [500]
    assert plan(1000, 5 << 20) == []
