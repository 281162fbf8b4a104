"""`dllab search`: workers share a study, and a second call goes on with it."""

import json
from pathlib import Path

import pytest
from training_lab import Here

from dllab.authoring.trial import run_dllab
from dllab.cli import main
from dllab.lab.find import find_lab
from dllab.report.search import TrialRow, write_search_report

QUICK = ["trainer.max_epochs=2", "trainer.limit_train_batches=8", "trainer.log_every_n_steps=4",
         "trainer.threads=1", "impl=reference"]  # fmt: skip


@pytest.mark.in_turns
@pytest.mark.slow
def test_three_workers_share_a_study_and_a_second_call_goes_on(clone: Path, dllab: Here) -> None:
    """This process is one of the workers."""
    search = ["search", "01", *QUICK, "--trials"]
    code, stdout, stderr = dllab(*search, "5", "--workers", "3")
    assert code == 0, stderr
    assert "best" in stdout
    folder = clone / "runs" / "lab01_mlp" / "search-default"
    assert "Trials, the best first" in (folder / "search.html").read_text()
    code, stdout, stderr = dllab(*search, "8", "--json")
    assert code == 0, stderr
    trials = json.loads(stdout)
    assert len(trials) >= 8
    assert len({trial["number"] for trial in trials}) == len(trials)
    finished = [trial for trial in trials if trial["value"] is not None]
    assert all((clone / "runs" / "lab01_mlp" / trial["run"]).is_dir() for trial in finished)
    assert dllab(*search, "8")[0] == 0
    assert len(list((clone / "runs" / "lab01_mlp").glob("*/run.json"))) == len(trials)


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_trial_of_two_ranks_is_stopped_when_the_others_do_better(clone: Path) -> None:
    """Five trials have been better at every step; the sixth ends with its second validation."""
    from optuna.trial import TrialState, create_trial

    from dllab.training.search import Search, open_study

    lab = find_lab(clone, "01")
    url = f"sqlite:///{clone / 'runs' / lab.id / 'search-default' / 'study.db'}"
    better = dict.fromkeys(range(4), 0.01)
    ranks = ["hardware=ddp_cpu", "trainer.devices=2", "trainer.max_epochs=4"]
    with open_study(Search(clone, lab, "main", (), "default", url)) as study:
        for _ in range(5):
            study.add_trial(create_trial(value=0.01, intermediate_values=better))
        done = run_dllab(clone, "search", "01", *QUICK, "--trials", "6", *ranks)
        assert done.returncode == 0, done.stderr
        last = study.get_trials()[-1]
    assert last.state == TrialState.PRUNED
    assert list(last.intermediate_values) == [0, 1]
    curve = clone / "runs" / lab.id / last.user_attrs["run"] / "arms/main/curve.jsonl"
    assert curve.read_text().count("val/accuracy") == 2


def test_a2_an_arm_that_keeps_its_last_weights_is_judged_by_its_validation_loss(
    clone: Path,
) -> None:
    from dllab.config.compose import compose
    from dllab.training.search import judge_of

    kept = compose(find_lab(clone, "03"), ["arm=vowels"])["vowels"].trainer
    assert (kept.monitor, kept.mode) == ("step", "max")
    assert judge_of(kept) == ("val/loss", "min")
    assert judge_of(compose(find_lab(clone, "02"))["main"].trainer) == ("val/accuracy", "max")


@pytest.mark.in_turns
@pytest.mark.slow
def test_a2_a_trial_of_such_an_arm_comes_to_its_end(clone: Path, dllab: Here) -> None:
    code, stdout, stderr = dllab("search", "03", "arm=vowels", *QUICK, "--trials", "1", "--json")
    assert code == 0, stderr
    (trial,) = json.loads(stdout)
    assert trial["value"] > 0


def test_a2_the_command_for_the_best_trial_is_whole_and_a_study_is_no_run(
    clone: Path, dllab: Here
) -> None:
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.trial import create_trial

    from dllab.training.search import Search, open_study

    lab = find_lab(clone, "03")
    folder = clone / "runs" / lab.id
    url = f"sqlite:///{folder / 'search-default' / 'study.db'}"
    spaces = {"model.lr": FloatDistribution(1e-3, 1), "x": CategoricalDistribution(["[3]"])}
    with open_study(Search(clone, lab, "reviews", (), "default", url)) as study:
        study.add_trial(
            create_trial(value=0.2, params={"model.lr": 0.01, "x": "[3]"}, distributions=spaces)
        )
    words = ["arm=reviews", "trainer.max_epochs=2"]
    code, stdout, stderr = dllab("search", "03", *words, "--trials", "1")
    assert code == 0, stderr
    assert f"dllab train 03 {' '.join(words)} model.lr=0.01 'x=[3]'" in stdout
    (folder / "sweeps" / "20261127T101500Z").mkdir(parents=True)
    assert dllab("runs")[1].strip() == "No runs yet. Make one: dllab train 01"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--trials", "0"], "count from 1"),
        (["--storage", "nonsense"], "the storage nonsense cannot be opened"),
        (["model.nonsense=1"], "model.nonsense"),
    ],
)
def test_wrong_use_is_told(
    clone: Path, capsys: pytest.CaptureFixture, words: list[str], told: str
) -> None:
    assert main(["search", "01", *words]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.in_turns
def test_every_shipped_space_fits_its_lab(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dllab.config.compose import compose
    from dllab.training.search import read_space

    monkeypatch.chdir(repo)
    for file in (repo / "labs").glob("*/conf/search.yaml"):
        lab = find_lab(repo, file.parents[1].name)
        arm = next(iter(lab.spec.arms))
        for key, values in read_space(lab).items():
            ends = values if isinstance(values, list) else [values["low"], values["high"]]
            for value in ends:
                compose(lab, [f"arm={arm}", f"{key}={str(value).replace(' ', '')}"])


def test_the_report_escapes_and_ranks(tmp_path: Path) -> None:
    rows = [
        TrialRow(0, 0.5, {"lr": 0.1, "kind": "<b>"}, "a"),
        TrialRow(1, 0.9, {"lr": 0.2, "kind": "x"}, "b"),
        TrialRow(2, None, {"lr": 0.3, "kind": "x"}, "c"),
    ]
    page = write_search_report(tmp_path / "s.html", "T", rows, {"lr": 0.8}, maximise=True)
    text = page.read_text()
    assert "&lt;b&gt;" in text
    assert "<b>" not in text.partition("Trials, the best first")[2]
    assert text.index("0.9000") < text.index("0.5000") < text.rindex("stopped")
    assert text.count("<svg") == 3
