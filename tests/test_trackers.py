"""A tracker shows what the run folder holds: the same names, config, curve and pictures."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from training_lab import Here, Project, curve, stopped_at

from dllab.cli import main

WORDS = ["trainer.max_epochs=1", "trainer.limit_train_batches=12", "trainer.threads=1"]
PICTURES = ["confusion", "worst_mistakes"]


def train(root: Path, repo: Path, monkeypatch: pytest.MonkeyPatch, tracker: str) -> Path:
    """A short run that a tracker follows, or several."""
    monkeypatch.chdir(root)
    project = Project(root, repo)
    assert main(["train", "01", *WORDS, f"logger={tracker}", "--no-grade"]) == 0
    return project.only_run()


def points(run: Path) -> dict[str, dict[int, float]]:
    """The run's own curve: name → step → value."""
    found: dict[str, dict[int, float]] = {}
    for point in curve(run):
        for name in point.keys() - {"step", "epoch"}:
            found.setdefault(name, {})[point["step"]] = pytest.approx(point[name], rel=1e-6)
    return found


def config(run: Path) -> dict[str, Any]:
    return yaml.safe_load((run / "config.yaml").read_text())["arms"]["main"]


@pytest.mark.in_turns
def test_several_trackers_show_the_run_under_the_same_names_in_one_piece(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it was stopped and went on."""
    words = ["train", "01", *WORDS, "logger=[csv,tensorboard,mlflow]", "--no-grade"]
    assert stopped_at(5, dllab, words, monkeypatch)[0] == 130
    run = project.only_run()
    assert dllab("train", "01", "--resume", str(run), "--no-grade")[::2] == (0, "")
    assert (run / "arms/main/curve.csv").is_file()
    _look_into_tensorboard(run)
    _look_into_mlflow(run)


def _look_into_mlflow(run: Path) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{run.parents[1] / 'mlflow/runs.db'}")
    lab = client.get_experiment_by_name(run.parent.name)
    (shown,) = client.search_runs([lab.experiment_id], f"attributes.run_name = '{run.name}'")
    logged = {
        name: {m.step: m.value for m in client.get_metric_history(shown.info.run_id, name)}
        for name in points(run)
    }
    assert logged == points(run)
    assert float(shown.data.params["model/lr"]) == config(run)["model"]["lr"]
    assert shown.info.status == "FINISHED"
    images = {file.path for file in client.list_artifacts(shown.info.run_id)}
    assert images == {f"{name}.png" for name in PICTURES}


def _look_into_tensorboard(run: Path) -> None:
    from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

    folder = run / "arms/main/tensorboard"
    shown = EventMultiplexer().AddRunsFromDirectory(str(folder)).Reload()
    tags = shown.Runs()[run.name]
    assert tags["images"] == PICTURES
    logged = {
        name: {event.step: event.value for event in shown.Scalars(run.name, name)}
        for name in points(run)
    }
    assert logged == points(run)
    kept = yaml.safe_load((folder / run.name / "hparams.yaml").read_text())
    assert kept["model"] == config(run)["model"]


@pytest.mark.in_turns
@pytest.mark.slow
def test_wandb_keeps_the_run_offline_and_prints_nothing(
    tmp_path: Path, repo: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = train(tmp_path, repo, monkeypatch, "[csv,tensorboard,wandb]")
    assert "wandb" not in "".join(capfd.readouterr())
    (folder,) = (run / "arms/main/wandb").glob("offline-run-*")
    logged: dict[str, dict[int, float]] = {}
    for record in wandb_records(folder / f"run-{run.name}-main.wandb"):
        if record.WhichOneof("record_type") == "run":
            assert (record.run.display_name, record.run.job_type) == (run.name, "main")
            kept = {item.key: json.loads(item.value_json) for item in record.run.config.update}
            assert kept["model"] == config(run)["model"]
        values = {i.nested_key[0]: json.loads(i.value_json) for i in record.history.item}
        for name in values.keys() & points(run).keys():
            logged.setdefault(name, {})[values["trainer/global_step"]] = values[name]
    assert logged == points(run)
    images = (folder / "files/media/images").glob("*.png")
    assert sorted({path.name.rpartition("_")[0].rpartition("_")[0] for path in images}) == PICTURES


BLOCK = 2**15


def wandb_records(path: Path) -> Iterator[Any]:
    """Every record of a run's own file: LevelDB's log format behind a header of 7 bytes.

    Each part of a record has a header, too: checksum, length, and whether it is whole (1), the
    first part (2), one in the middle (3) or the last (4). Less than a header's room at the end of a
    block is left empty.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield Record.FromString(whole)
            whole = b""
