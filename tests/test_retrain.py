"""`--retrain`: weights that were handed in count for nothing, code that learns counts."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from grading_lab import make_desk
from safetensors.torch import load_file, save_file

from dllab.cli import main
from dllab.lab.find import find_lab
from dllab.rundir.run import RunFolder, write_json
from dllab.sandbox.limits import Limits
from dllab.sandbox.reach import Reach
from dllab.submission.pack import pack


@pytest.mark.in_turns
@pytest.mark.slow
def test_worthless_weights_are_replaced_by_learnt_ones(clone: Path) -> None:
    """A submission of lab 01 whose weights were zeroed passes: its code learns in the sandbox."""
    lab = find_lab(clone, "01")
    shutil.copyfile(lab.solution, lab.code)
    assert main(["train", "01", "impl=mine", "debug=fast", "--no-grade"]) == 0
    (folder,) = (clone / "runs" / "lab01_mlp").iterdir()
    run = RunFolder(folder)
    weights = load_file(run.arm("main").weights)
    zeros = {name: torch.zeros_like(value) for name, value in weights.items()}
    save_file(zeros | {"std": weights["std"]}, run.arm("main").weights)
    card = json.loads(run.card.read_text())
    write_json(run.card, {**card, "status": "finished"})
    archive = pack(lab, run, clone / "ada.zip")

    assert main(["grade", str(archive), "--official", "--json", "plain.json"]) == 1
    assert main(["grade", str(archive), "--official", "--retrain", "--json", "anew.json"]) == 0
    plain, anew = (json.loads(Path(f"{name}.json").read_text()) for name in ("plain", "anew"))
    assert plain["metrics"][0]["value"] == pytest.approx(math.log(10))  # nats: it tells nothing
    assert anew["metrics"][0]["value"] < 0.5
    assert anew["grader"]["retrained"]


def test_a_training_reaches_pretrained_weights_and_no_other_download(tmp_path: Path) -> None:
    """Fetched data sets lie beside the weights, with the rows that hidden sets are drawn from."""
    desk = make_desk(tmp_path)
    (desk.root / "data" / "net").mkdir(parents=True)
    (desk.root / "data" / "net" / "weights.yaml").touch()
    downloads = desk.root / ".cache" / "downloads"
    for name in ("net", "toy"):
        (downloads / name).mkdir(parents=True)
    for released in (True, False):
        job = Reach(desk.lab, desk.lab.code, None, released).job(tmp_path, Limits(), probes=False)
        within_reach = {path for path in job.readable if downloads in path.parents}
        assert within_reach == ({downloads / "net"} if released else set())


def test_retraining_is_for_official_grades(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "x.zip").touch()
    assert main(["grade", "x.zip", "--retrain"]) == 2
    assert "add --official" in capsys.readouterr().err
