"""Each mistake in a config, told as a person reads it: what, where, and the right spelling."""

import pickle
from pathlib import Path

import pytest
from config_lab import ARMS, TINY, make_root, write_lab

from dllab.cli import main
from dllab.errors import LearnerError

REPO = Path(__file__).resolve().parent.parent
CONF = "labs/lab90_tiny/conf"
SCHEMA = "src/dllab/config/schema.py"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = make_root(tmp_path / "project", REPO)
    write_lab(project, "lab90_tiny", TINY)
    write_lab(project, "lab91_arms", ARMS)
    monkeypatch.chdir(project)
    return project


def said(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What `dllab config …` says on its way out with exit code 2, without a traceback."""
    assert main(["config", *command]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Traceback" not in captured.err
    return captured.err


@pytest.mark.parametrize(
    ("override", "what", "hint"),
    [
        # a wrong key
        (
            "trainer.max_epoch=1",
            "there is no such key",
            f"did you mean trainer.max_epochs? it stands in {CONF}/config.yaml",
        ),
        (
            "model.hiden=3",
            "there is no such key",
            f"did you mean model.hidden? it stands in {CONF}/config.yaml",
        ),
        (
            "data.batchsize=3",
            "there is no such key",
            f"did you mean data.batch_size? it stands in {CONF}/data/small.yaml",
        ),
        ("trainer.device=2", "there is no such key", "it stands in configs/hardware/cpu.yaml"),
        (
            "trainer.prec=16-true",
            "there is no such key",
            f"trainer.precision? it stands in {SCHEMA}",
        ),
        ("trianer.max_epochs=1", "there is no such key", "did you mean trainer.max_epochs?"),
        ("lr=0.1", "there is no such key", "did you mean model.lr?"),
        ("dta=full", "there is no such key", "did you mean data=full?"),
        ("dta=fall", "there is no such key", "did you mean data? its choices: full, small"),
        ("data={batch: 3}", "there is no such key", "did you mean data.batch_size?"),
        ("+trainer.zzz=1", "there is no such key", "`dllab config 90` shows every key"),
        ("model.zzz=1", "there is no such key", "a new one takes a plus: +model.zzz=VALUE"),
        ("lab=02", "there is no such key", "`dllab config 90`"),
        ("model.lr.x=3", "model.lr is one value", "write model.lr=VALUE"),
        # a wrong type
        (
            "model.lr=abc",
            "expected a number, got 'abc'",
            f"{CONF}/config.yaml says model.lr: 0.001",
        ),
        ("model.lr=[1]", "expected a number, got [1]", "says model.lr: 0.001"),
        ("model.lr=null", "expected a number, got null", "says model.lr: 0.001"),
        ("model.depth=1.5", "expected a whole number, got 1.5", "says model.depth: 2"),
        ("model.bias=maybe", "expected true or false, got 'maybe'", "says model.bias: true"),
        ("model.activation=[a]", "expected text, got ['a']", "says model.activation: 'relu'"),
        ("model.hidden=5", "expected a list of whole numbers, got 5", "model.hidden: [64, 32]"),
        (
            "model.hidden=[a]",
            "expected a list of whole numbers, got ['a']",
            "model.hidden: [64, 32]",
        ),
        ("trainer.max_epochs=two", "expected a whole number, got 'two'", "trainer.max_epochs: 5"),
        ("trainer.gradient_clip_val=x", "expected a number or null, got 'x'", f"{SCHEMA} says"),
        ("trainer.limit_val_batches=x", "expected a number, got 'x'", f"{SCHEMA} says"),
        ("trainer=3", "trainer holds several keys, it cannot be 3", "trainer.max_epochs=VALUE"),
        ("model=null", "model holds several keys, it cannot be null", "model.hidden=VALUE"),
        ("model.lr=${sed}", "Interpolation key 'sed' not found", "names another key in full"),
        # a wrong choice
        (
            "hardware=gpuu",
            "there is no choice 'gpuu' for hardware",
            "did you mean hardware=gpu? configs/hardware/ holds cpu, ddp, ddp_cpu",
        ),
        ("data=ful", "no choice 'ful'", f"did you mean data=full? {CONF}/data/ holds full, small"),
        ("data=null", "a run needs data", "choices: full, small"),
        ("~data", "a choice cannot be deleted", "data= one of full, small"),
        ("+hardware=gpu", "a choice takes no plus", "write hardware=gpu"),
        ("arm=mian", "lab 90 has no such arm", "did you mean arm=main?"),
        # a malformed override
        ("lr=", "'lr=' has no value after the =", "write lr=VALUE"),
        ("=3", "'=3' has no key before the =", "write KEY=VALUE"),
        ("foo", "'foo' is not of the form key=value", "for example trainer.max_epochs=3"),
        ("model.hidden=[1,2", "cannot be read: a ] is missing", "put quotes around it"),
        ("model.hidden=1]", "cannot be read: the ] closes nothing", "put quotes around it"),
        ("model.activation='a", "cannot be read: a quotation mark is missing", "put quotes"),
        ("model.hidden[0]=3", "'model.hidden[0]' is not a key", "a list is set whole"),
        ("trainer..x=3", "'trainer..x' is not a key", "words joined by dots"),
        ("data@x=full", "the package after @ is fixed here", "write data=…"),
        ("~model.lr", "a key cannot be left out", "give it another value"),
        ("model.lr=0.1,0.2", "several values for one run", "add -m"),
        ("hydra.verbose=true", "steer sweeps only", "add -m, or leave it out"),
        # what no type can say
        ("trainer.devices=0", "it must be at least 1", "configs/hardware/cpu.yaml"),
        ("trainer.max_epochs=0", "it must be at least 1", f"{CONF}/config.yaml"),
        ("trainer.mode=mxa", "there is no such choice", "did you mean max?"),
        ("trainer.precision=32", "there is no such choice", "did you mean 32-true?"),
        ("trainer.strategy=dpp", "there is no such choice", "did you mean ddp?"),
        ("trainer.accelerator=gpus", "there is no such choice", "did you mean gpu?"),
        ("impl=refrence", "there is no such choice", "did you mean reference?"),
        ("wandb.mode=on", "there is no such choice", "did you mean online?"),
        ("seed=-1", "it must be between 0 and 4294967295", SCHEMA),
        ("trainer.limit_train_batches=1.5", "a share of them (0.1)", SCHEMA),
        ("trainer.gradient_clip_val=-1", "it must be 0 or more, or null", SCHEMA),
        ("data.batch_size=0", "it must be at least 1", f"{CONF}/data/small.yaml"),
    ],
)
def test_a_mistake_on_the_command_line(
    root: Path, capsys: pytest.CaptureFixture[str], override: str, what: str, hint: str
) -> None:
    error, _, way_on = said(capsys, "90", override).partition("\n")
    assert error.startswith("error: ")
    assert what in error
    assert hint in way_on


def test_the_global_batch_must_be_shared_evenly(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = said(capsys, "90", "hardware=ddp_cpu", "data.batch_size=63")
    assert "data.batch_size=63 cannot be shared by 2 devices" in text
    assert "data.batch_size=64" in text


def test_a_key_of_another_arm(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "91", "model.cell=gru")
    assert "the arm chars has no such key, vowels has" in text
    assert "add arm=vowels" in text


@pytest.mark.parametrize(
    ("file", "old", "new", "what", "hint"),
    [
        (
            "conf/config.yaml",
            "max_epochs: 5",
            "max_epoch: 5",
            f"{CONF}/config.yaml: there is no key trainer.max_epoch",
            "did you mean trainer.max_epochs?",
        ),
        (
            "conf/config.yaml",
            "max_epochs: 5",
            "max_epochs: five",
            f"{CONF}/config.yaml: trainer.max_epochs: ",
            "expected a whole number",
        ),
        (
            "conf/config.yaml",
            "trainer: {",
            "trainer: 3 #",
            f"{CONF}/config.yaml: trainer",
            "write trainer: {KEY: VALUE}",
        ),
        (
            "conf/config.yaml",
            "model: {",
            "model: 3 #",
            f"{CONF}/config.yaml: model",
            "write model: {KEY: VALUE}",
        ),
        (
            "conf/config.yaml",
            "model: {",
            "modle: {",
            "there is no key modle",
            "did you mean model?",
        ),
        (
            "conf/config.yaml",
            "model: {",
            "model: {{",
            f"{CONF}/config.yaml:",
            "mend line",
        ),
        ("conf/config.yaml", "data: small", "data: smal", "data/smal", "defaults list"),
        (
            "conf/config.yaml",
            "depth: 2",
            "a-b: 2",
            f"{CONF}: model has the key 'a-b'",
            "Model(lr=0.1)",
        ),
        ("conf/data/small.yaml", "{size", "[size", f"{CONF}/data/small.yaml:", "mend line"),
        ("conf/data/small.yaml", "${seed}", "${sead}", "'sead' not found", "names another key"),
        (
            "lab.yaml",
            "pass_score: 0.7",
            "pass_score: 0.7\narms: {main: {overrides: [model.hiden=3]}}",
            "labs/lab90_tiny/lab.yaml, arms.main.overrides: model.hiden=3: there is no such key",
            "did you mean model.hidden?",
        ),
    ],
)
def test_a_mistake_in_a_file(  # noqa: PLR0917 - fixtures and cases
    root: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    old: str,
    new: str,
    what: str,
    hint: str,
) -> None:
    path = root / "labs/lab90_tiny" / file
    path.write_text(path.read_text().replace(old, new), encoding="utf-8")
    error, _, way_on = said(capsys, "90").partition("\n")
    assert what in error
    assert hint in way_on


def test_a_missing_file_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / CONF / "config.yaml").unlink()
    assert f"{CONF}/config.yaml is missing" in said(capsys, "90")


def test_an_error_of_learner_code_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(LearnerError("it broke", "line 3", "mend it")))
    assert (error.what, error.traceback, error.hint) == ("it broke", "line 3", "mend it")


def test_a15_what_a_lab_cannot_bear_is_refused_before_anything_is_built(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lab 06 averages gradients by hand, and fsdp splits them."""
    assert main(["train", "06", "hardware=fsdp", "trainer.accelerator=cpu"]) == 2
    told = capsys.readouterr().err
    assert "trainer.strategy=fsdp with model.by_hand=true: your DataParallel" in told
    assert "add model.by_hand=false" in told
    assert main(["config", "06", "hardware=fsdp", "model.by_hand=false"]) == 0
    assert not (clone / "runs").exists()
