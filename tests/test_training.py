"""Training through the front door: run folders, resuming, stopping, and mistakes of a learner."""

import json
import re
import signal
from pathlib import Path

import lightning as L
import pytest
import torch
from training_lab import SHORT, Here, Project, card, curve, same_results, stopped_at

from dllab.errors import LabError
from dllab.grading.grade import grade
from dllab.lab.find import find_lab
from dllab.lab.project import find_root
from dllab.report.html import write_report
from dllab.training.callbacks import NanGuard
from dllab.training.flops import CountFlops
from dllab.training.train import train

TRAIN = ["train", "01", *SHORT, "--no-grade"]


def test_a_run_folder_tells_what_ran_and_what_came_out(project: Project, dllab: Here) -> None:
    code, _, stderr = dllab(*TRAIN, "logger=tensorboard")
    assert code == 0, stderr
    run = project.only_run()
    content = card(run)
    assert content["status"] == "finished"
    assert content["impl"] == "mine"
    assert content["arms"]["main"]["epochs"] == 2
    assert content["cost"]["cpu_s"] > 0
    assert content["cost"]["flops"] == 40 * flops_of_a_step(batch=128)
    named = {name for point in curve(run) for name in point}
    assert {"step", "epoch", "lr", "grad_norm", "train/loss", "val/loss"} <= named
    assert (run / "arms/main/weights.safetensors").is_file()
    assert (run / "lab.py").read_bytes() == project.code.read_bytes()
    assert list(run.glob(f"arms/main/tensorboard/{run.name}/events.*")), "the run's id is its name"

    # the same run again, its checkpoint damaged
    last = run / "arms/main/checkpoints/last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    content["arms"] = {}
    (run / "run.json").write_text(json.dumps(content))
    code, _, stderr = dllab("train", "01", "--resume", str(run), "--no-grade")
    assert code == 2
    assert "last.ckpt" in stderr


@pytest.mark.in_turns
def test_a_lab_works_in_its_own_project_wherever_the_process_stands(
    project: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its code asks for data by name alone, and the ranks of a training are other processes."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(LabError, match="no dllab project here"):
        find_root()
    lab = find_lab(project.root, "01")
    two = ["hardware=ddp_cpu", "trainer.devices=2"]
    run = train(project.root, lab, [*SHORT, *two], say=lambda _: None)
    assert grade(project.root, run).result.verdict == "graded"
    report = write_report(project.root, run).read_text()
    assert run.path.parent.parent == project.root / "runs"
    assert "Worst mistakes" in report
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.in_turns
def test_in_a_terminal_a_bar_shows_how_far_it_is(project: Project) -> None:
    from watch_terminal import Terminal

    terminal = Terminal(*TRAIN)
    assert terminal.end() == 0, terminal.screen
    assert "Epoch 1/2" in terminal.screen
    assert "Epoch 2/2" in terminal.screen
    assert "epoch 2/2  step 40" in terminal.screen
    assert f"run {project.only_run().name}" in terminal.screen


def flops_of_a_step(batch: int) -> int:
    """A product of [n, k] and [k, m] takes 2nkm. Each layer needs one forward and one for the
    gradient of its weights; all but the first need one more, for that of their inputs."""
    layers = [784 * 256, 256 * 128, 128 * 10]
    return 2 * batch * (3 * sum(layers) - layers[0])


def test_a_gradient_within_a_counted_step_is_no_obstacle() -> None:
    """A gradient penalty differentiates a module's answer for a leaf while operations count."""
    counting, net = CountFlops(), torch.nn.Sequential(torch.nn.Linear(3, 1))
    x = torch.randn(2, 3, requires_grad=True)
    counting.on_train_batch_start(None, None, None, 0)
    (slope,) = torch.autograd.grad(net(x).sum(), x, create_graph=True)
    slope.square().sum().backward()
    counting.on_train_batch_end(None, None, None, None, 0)
    assert net[0].weight.grad is not None
    assert counting._counter.get_total_flops() > 0


@pytest.mark.in_turns
@pytest.mark.slow
def test_killed_and_stopped_runs_go_on_to_the_same_bits(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TRAIN, "trainer.checkpoint_every_n_steps=5"]
    assert dllab(*words)[0] == 0
    whole = project.only_run()

    process, killed = project.start_and_wait_for_step(*TRAIN)
    process.kill()
    process.communicate()
    assert card(killed)["status"] == "running"
    assert dllab("train", "01", "--resume", str(killed), "--no-grade")[0] == 0
    assert same_results(killed, whole)

    for step in (3, 20, 40):  # within an epoch, at the end of one, at the very end
        code, _, stderr = stopped_at(step, dllab, words, monkeypatch)
        assert code == 130
        assert "Traceback" not in stderr
        run = project.runs()[-1]
        assert card(run)["status"] == "interrupted"
        assert (run / "arms/main/weights.safetensors").is_file()
        assert dllab("train", "01", "--resume", str(run), "--no-grade")[0] == 0
        assert same_results(run, whole)


@pytest.mark.in_turns
def test_m5_a_run_stopped_while_gradients_add_up_goes_on_to_the_same_bits(
    repo: Path, tmp_path: Path, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, repo, "lab03_rnn")
    words = ["train", "03", "arm=vowels", "trainer.max_epochs=2", "--no-grade"]
    words += ["trainer.accumulate_grad_batches=3"]
    assert dllab(*words)[0] == 0
    whole = project.only_run()

    def press(_guard: NanGuard, trainer: L.Trainer, *more: object) -> None:
        if trainer.current_epoch == 0 and more[-1] == 1:  # the second batch of three
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(NanGuard, "on_train_batch_end", press)
        code, _, stderr = dllab(*words)
    assert code == 130
    assert "stopped at step 1, epoch 0" in stderr
    run = project.runs()[-1]
    assert dllab("train", "03", "--resume", str(run), "--no-grade")[0] == 0
    assert same_results(run, whole, "vowels")


@pytest.mark.in_turns
def test_a_one_cycle_schedule_goes_on_where_it_stopped(
    repo: Path, tmp_path: Path, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, repo, "lab03_rnn")
    words = ["train", "03", "arm=vowels", "trainer.max_epochs=12", "--no-grade"]
    assert dllab(*words)[0] == 0
    whole = project.only_run()
    assert stopped_at(20, dllab, words, monkeypatch)[0] == 130
    run = project.runs()[-1]
    assert dllab("train", "03", "--resume", str(run), "--no-grade")[0] == 0
    rates = [point["lr"] for point in curve(run, "vowels") if "lr" in point]
    assert rates[0] < max(rates) > rates[-1]
    assert same_results(run, whole, "vowels")


LOSS = 'loss = cross_entropy(self(batch["image"]), batch["label"])'
MISTAKES = {
    "nan": (LOSS, f"{LOSS} * float('nan')", 2, ["step 1", "learning rate"]),
    "exception": ("optimizer.zero_grad()\n", "1 / 0\n", 1, ["ZeroDivisionError", "1 / 0"]),
    "scores": (
        'return self(batch["image"])',
        'return self(batch["image"])[:, :9]',
        1,
        ["[2, 9]", "[2, 10]"],
    ),
    "syntax": (
        "class Data(LightningDataModule):",
        "class Data(LightningDataModule:",
        1,
        ["does not parse", "class Data(LightningDataModule:"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_learner_reads_what_is_wrong_and_none_of_our_frames(
    project: Project, dllab: Here, mistake: str
) -> None:
    old, new, exit_code, told = MISTAKES[mistake]
    project.edit(old, new)
    code, _, stderr = dllab(*TRAIN)
    assert code == exit_code
    assert [words for words in told if words not in stderr] == []
    assert "site-packages" not in stderr
    assert "src/dllab" not in stderr


SEQUENCE_MISTAKES = {
    "in place": (
        "c_BH = f_BH.sigmoid() * state[1] + i_BH.sigmoid() * g_BH.tanh()",
        "c_BH = state[1]; c_BH *= f_BH.sigmoid(); c_BH += i_BH.sigmoid() * g_BH.tanh()",
        ["in forward", "recalled_BG = F.linear(state[0]", "make a new tensor there"],
    ),
    "cut off": (
        'self.log("train/loss", loss)\n        return loss',
        'self.log("train/loss", loss)\n        return loss.detach()',
        ["training stopped behind training_step", "cut off from the graph, by detach()"],
    ),
    "no loss": (
        'self.log("train/loss", loss)\n        return loss',
        'self.log("train/loss", loss)\n        return [loss]',
        ["training stopped behind training_step", "look at what training_step returns"],
    ),
}


@pytest.mark.in_turns
@pytest.mark.parametrize("mistake", SEQUENCE_MISTAKES)
def test_a06_what_fails_outside_of_lab_py_is_told_with_its_line(
    tmp_path: Path,
    repo: Path,
    dllab: Here,
    mistake: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error in the backward pass, or in Lightning, has no frame of lab.py by itself."""
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, repo, "lab03_rnn")
    old, new, told = SEQUENCE_MISTAKES[mistake]
    project.edit(old, new)
    code, _, stderr = dllab("train", "03", "arm=vowels", "trainer.max_epochs=1", "--no-grade")
    assert code == 1
    assert re.search(r"→ lab\.py:\d+: training stopped", stderr)
    assert [words for words in told if words not in stderr] == []
    for others in ("site-packages", "src/dllab", "runpy", "anomaly"):
        assert others not in stderr


def test_a05_a_call_that_does_not_end_is_told_with_its_line_and_so_is_the_first_ctrl_c(
    project: Project, dllab: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dllab.training.hangs.CALL_S", 1.0)
    project.edit("import torch\n", "import signal, time\nimport torch\n")
    loop = """
        if self.global_step == 3:
            ends = time.monotonic() + 4
            while time.monotonic() < ends: pass
            signal.raise_signal(signal.SIGINT)
        optimizer.zero_grad()
"""
    project.edit("        optimizer.zero_grad()\n", loop)
    code, _, stderr = dllab(*TRAIN)
    assert code == 130
    assert re.search(r"at lab\.py:\d+, in training_step: while time.* for \d s in one call", stderr)
    assert "stopping behind this step; Ctrl-C again stops at once (now at lab.py:" in stderr
    assert (
        stderr.index("in one call") < stderr.index("stopping") < stderr.index("→ stopped at step")
    )


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("import torch\n", "it could not be imported: SystemExit"),
        ("        optimizer.zero_grad()\n", "training stopped: SystemExit"),
    ],
    ids=["import", "step"],
)
def test_h6_exit_in_lab_py_is_no_pass(project: Project, dllab: Here, place: str, said: str) -> None:
    indent = place[: len(place) - len(place.lstrip())]
    project.edit(place, f"{place}{indent}exit()\n")
    code, _, stderr = dllab(*TRAIN)
    assert code == 1
    assert re.search(rf"→ lab\.py:\d+: {said}", stderr), stderr


@pytest.mark.in_turns
def test_h6_sigterm_stops_as_cleanly_as_ctrl_c(project: Project, dllab: Here) -> None:
    words = ["train", "01", "trainer.max_epochs=200", "trainer.threads=1", "--no-grade"]
    process, run = project.start_and_wait_for_step(*words)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate()
    assert process.returncode == 143, stderr
    assert f"dllab train 01 --resume {run.name} goes on from there" in stderr
    assert card(run)["status"] == "interrupted"


@pytest.mark.in_turns
def test_h7_overfit_learns_two_fixed_batches(project: Project, dllab: Here) -> None:
    assert dllab("train", "01", "debug=overfit", "trainer.threads=1", "--no-grade")[0] == 0
    points = curve(project.only_run())
    losses = [point["train/loss"] for point in points if "train/loss" in point]
    assert len(losses) == 100
    assert losses[0] > 1
    assert max(losses[-10:]) < 0.15


def test_unfinished_lab_names_the_next_todo(project: Project, dllab: Here, repo: Path) -> None:
    project.code.write_text((repo / "labs/lab01_mlp/lab.py").read_text() + "\n# begun\n")
    code, _, stderr = dllab(*TRAIN)
    assert code == 1
    assert "labs/lab01_mlp/lab.py:" in stderr
    assert not (project.root / "runs").exists()


def test_reference_needs_an_author(project: Project, dllab: Here) -> None:
    code, _, stderr = dllab(*TRAIN, "impl=reference")
    assert code == 2
    assert "learner's copy" in stderr


def test_unknown_lab_lists_the_shelf(project: Project, dllab: Here) -> None:
    code, _, stderr = dllab("train", "77")
    assert code == 2
    assert "01 mlp" in stderr
