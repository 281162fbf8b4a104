"""A run of any lab and arm that stops inside an epoch goes on to the same bits."""

import shutil
from pathlib import Path

import pytest
import torch.distributed as dist
from sample import REPO
from training_lab import Here, curve, same_results, stopped_at

from dllab.cli import main
from dllab.lab.find import Lab, finished_labs

EPOCH = 6  # batches, at most
SHORT = [
    "trainer.max_epochs=2",
    f"trainer.limit_train_batches={EPOCH}",
    "trainer.limit_val_batches=2",
    "trainer.val_check_interval=null",
    "trainer.log_every_n_steps=2",
    "trainer.threads=1",
    "--no-grade",
]
ARMS = [(lab, arm) for lab in finished_labs(REPO) for arm in lab.spec.arms]


@pytest.mark.slow
@pytest.mark.in_turns
@pytest.mark.filterwarnings("ignore:It is recommended to use .*sync_dist")  # of a group of one
@pytest.mark.parametrize(("lab", "arm"), ARMS, ids=lambda of: of.id if isinstance(of, Lab) else of)
def test_a_run_that_stops_inside_an_epoch_goes_on_to_the_same_bits(
    clone: Path, dllab: Here, monkeypatch: pytest.MonkeyPatch, lab: Lab, arm: str
) -> None:
    folder = clone / "labs" / lab.id
    shutil.copyfile(folder / "_author/solution.py", folder / "lab.py")
    words = ["train", lab.number, *SHORT, f"arm={arm}"]
    assert main(words) == 0
    (begun,) = (clone / "runs" / lab.id).glob("2*")
    steps = int(max(point["step"] for point in curve(begun, arm)))
    if steps < EPOCH:
        pytest.skip("its epochs are of one batch: they have no inside")
    assert stopped_at(steps * 3 // 4, dllab, words, monkeypatch)[0] == 130
    assert not dist.is_initialized(), "a stopped arm leaves no process group behind"
    whole, stopped = sorted((clone / "runs" / lab.id).glob("2*"))
    assert main(["train", lab.number, "--resume", str(stopped), "--no-grade"]) == 0
    assert list(curve(stopped, arm)) == list(curve(whole, arm))
    assert same_results(whole, stopped, arm)
