"""The config room from its front door: what is composed, in which order, and what comes out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from config_lab import ARMS, TINY, make_root, write_lab

from dllab.cli import main
from dllab.config.compose import compose
from dllab.config.schema import Config
from dllab.errors import LabError
from dllab.lab.find import Lab, find_lab

REPO = Path(__file__).resolve().parent.parent
GROUPS = {
    group: sorted(path.stem for path in (REPO / "configs" / group).glob("*.yaml"))
    for group in ("hardware", "logger", "debug")
}


def compose_arm(lab: Lab, arm: str = "main", overrides: Sequence[str] = ()) -> Config:
    return compose(lab, [*overrides, f"arm={arm}"])[arm]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = make_root(tmp_path / "it's a (project), = here", REPO)
    monkeypatch.chdir(project)
    return project


@pytest.fixture
def tiny(root: Path) -> Lab:
    return write_lab(root, "lab90_tiny", TINY)


@pytest.fixture
def arms(root: Path) -> Lab:
    return write_lab(root, "lab91_arms", ARMS)


def test_several_loggers_are_one_choice_each_once_and_a_wrong_one_is_named() -> None:
    lab = find_lab(REPO, "01")
    several = compose_arm(lab, overrides=["logger=[csv,tensorboard,csv]"])
    assert several.logger == ["csv", "tensorboard"]
    assert Config.from_plain(several.plain()) == several
    earlier = {**several.plain(), "logger": "wandb"}
    assert Config.from_plain(earlier).logger == ["wandb"]
    for word, said in (
        ("logger=[csv,tensorbord]", "did you mean logger=tensorboard?"),
        ("logger=[]", "a run needs logger"),
        ("hardware=[cpu,gpu]", "there is no choice ['cpu', 'gpu'] for hardware"),
    ):
        with pytest.raises(LabError) as error:
            compose(lab, [word])
        assert said in f"{error.value} {error.value.hint}"


CHOICES = [f"{group}={choice}" for group, choices in GROUPS.items() for choice in choices]


@pytest.mark.parametrize("choice", [*CHOICES, "data=small", "data=full"])
def test_every_shipped_config_is_valid(choice: str) -> None:
    """With a lab of several arms; that each lab gets along with all is a rule of the doctor."""
    lab = find_lab(REPO, "03")
    group, _, name = choice.partition("=")
    configs = compose(lab, [choice])
    assert list(configs) == list(lab.spec.arms)
    for arm, config in configs.items():
        assert (config.lab, config.arm) == (lab.id, arm)
        chosen = config.data["size"] if group == "data" else getattr(config, group)
        assert chosen == ([name] if group == "logger" else name)
        assert config.data["name"] == lab.spec.arms[arm].data


@pytest.mark.parametrize("hardware", GROUPS["hardware"])
def test_choices_of_several_groups_go_together(hardware: str) -> None:
    words = [f"hardware={hardware}", "debug=fast", "data=full"]
    for config in compose(find_lab(REPO, "03"), words).values():
        assert (config.hardware, config.debug, config.data["size"]) == (hardware, "fast", "full")


def test_only_plain_values_leave_the_room(tiny: Lab) -> None:
    plain = compose_arm(tiny, "main", ["+model.extra={a: [1, 2]}"]).plain()
    assert {type(value).__module__ for value in _leaves(plain)} == {"builtins"}
    assert yaml.safe_load(yaml.safe_dump(plain)) == plain
    assert json.loads(json.dumps(plain)) == plain


def test_the_lab_wins_over_shared_groups_and_overrides_win_over_the_lab(root: Path) -> None:
    files = {**TINY, "conf/config.yaml": TINY["conf/config.yaml"] + "seed: 7\n"}
    files["conf/config.yaml"] = files["conf/config.yaml"].replace("mode: max", "devices: 4")
    lab = write_lab(root, "lab92_wins", files)
    assert compose_arm(lab).trainer.devices == 4
    assert compose_arm(lab, "main", ["hardware=ddp"]).trainer.devices == 4
    assert compose_arm(lab, "main", ["hardware=ddp"]).trainer.strategy == "ddp"
    config = compose_arm(lab, "main", ["hardware=ddp", "trainer.devices=8", "seed=3"])
    assert (config.trainer.devices, config.seed) == (8, 3)


def test_the_last_of_two_overrides_counts(tiny: Lab) -> None:
    config = compose_arm(tiny, "main", ["data=small", "model.lr=1", "data=full", "model.lr=2"])
    assert (config.data["size"], config.model["lr"]) == ("full", 2.0)


def test_arms_have_their_own_keys_and_values(arms: Lab) -> None:
    vowels, chars = compose(arms).values()
    assert vowels.model == {"cell": "lstm", "width": 32}
    assert chars.model == {"context": 64}
    assert (vowels.trainer.max_epochs, chars.trainer.max_epochs) == (7, 4)
    assert (vowels.data["batch_size"], chars.data["batch_size"]) == (64, 8)
    assert list(compose(arms, ["arm=chars", "model.context=32"])) == ["chars"]


def test_debug_wins_over_everything_that_is_shipped(arms: Lab) -> None:
    assert [c.trainer.max_epochs for c in compose(arms, ["debug=fast"]).values()] == [1, 1]
    assert compose_arm(arms, "chars", ["debug=fast", "trainer.max_epochs=2"]).debug == "fast"
    assert compose_arm(arms, "chars", ["debug=fast", "debug=null"]).debug == ""


def test_values_keep_the_type_that_the_lab_ships(tiny: Lab) -> None:
    texts = ["model.lr=1", "model.hidden=[8]", "model.schedule=cosine", "model.activation=3"]
    model = compose_arm(tiny, "main", texts).model
    assert model == {
        "hidden": [8],
        "lr": 1.0,
        "depth": 2,
        "activation": "3",
        "bias": True,
        "schedule": "cosine",
    }
    assert isinstance(model["lr"], float)


def test_a_limit_counts_batches_or_is_a_share(tiny: Lab) -> None:
    limits = [
        compose_arm(tiny, "main", [f"trainer.limit_train_batches={text}"])
        for text in ("1", "1.0", "0.5")
    ]
    found = [config.trainer.limit_train_batches for config in limits]
    assert [(type(value), value) for value in found] == [(int, 1), (float, 1.0), (float, 0.5)]


def test_a_mapping_is_set_key_by_key(tiny: Lab) -> None:
    config = compose_arm(tiny, "main", ["trainer={max_epochs: 2, devices: 2}", "data={seed: 4}"])
    assert (config.trainer.max_epochs, config.trainer.devices) == (2, 2)
    assert config.data == {"size": "small", "batch_size": 64, "seed": 4}


def test_a_key_may_follow_another(tiny: Lab) -> None:
    assert compose_arm(tiny, "main", ["seed=11"]).data["seed"] == 11


def test_model_and_data_may_gain_keys_with_a_plus(tiny: Lab) -> None:
    config = compose_arm(tiny, "main", ["+model.width=3", "++data.crop=true"])
    assert (config.model["width"], config.data["crop"]) == (3, True)


def test_a_lab_that_trains_nothing_has_no_config(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab = write_lab(root, "lab93_code", {"lab.yaml": LAB_CODE})
    assert compose(lab) == {}
    assert main(["config", "93"]) == 0
    assert "trains nothing" in capsys.readouterr().out


def test_the_command_prints_yaml_or_json(arms: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    expected = [config.plain() for config in compose(arms, ["seed=2"]).values()]
    assert main(["config", "91", "seed=2"]) == 0
    assert list(yaml.safe_load_all(capsys.readouterr().out)) == expected
    assert main(["config", "91", "seed=2", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out).values()) == expected


def test_the_names_written_down_are_lightnings_own() -> None:
    from lightning.fabric.connector import _PRECISION_INPUT_STR

    from dllab.config.rules import PRECISIONS

    assert set(PRECISIONS) <= set(get_args(_PRECISION_INPUT_STR))


LAB_CODE = TINY["lab.yaml"] + "exports: [tokenize]\n"


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [value, *(leaf for entry in value.values() for leaf in _leaves(entry))]
    if isinstance(value, list):
        return [value, *(leaf for entry in value for leaf in _leaves(entry))]
    return [value]
