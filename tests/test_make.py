"""What make hands on: any override, as typed, in the order given."""

import re
import subprocess
from pathlib import Path

import pytest

# Stands in for dllab: prints its arguments, one a line, and exits as told.
SPY = 'sh -c \'printf "<%s>\\n" "$$@"\' spy'


def make(repo: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "-C", str(repo), "--no-print-directory", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def handed_on(repo: Path, *arguments: str) -> list[str]:
    result = make(repo, f"DLLAB={SPY}", "grade-01", *arguments)
    assert result.returncode == 0, result.stderr
    words = re.findall(r"<(.*)>", result.stdout)
    assert words[:2] == ["grade", "01"]
    return words[2:]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["trainer.max_epochs=3"],
        ["trainer.max_epochs=3", "model.lr=0.01", "hardware=ddp", "seed=7", "arm=main"],
        ["+x=1", "++y.z=2", "hydra/launcher=joblib", "data@val=small"],
        ["model.widths=[64, 32]", "model={a: 1, b: 2}"],
        ['note=it\'s "quoted"', "path=a\\b c", "name=a=b c=d", "empty="],
        ["model.lr=${optimizer.lr}", "price=$5 $$6", "rate=50%", "lr=0.1,0.01", "tag=#1"],
    ],
)
def test_overrides_arrive_as_typed_and_in_order(repo: Path, overrides: list[str]) -> None:
    assert handed_on(repo, *overrides) == overrides


def test_upper_case_names_stay_with_make_and_args_comes_last(repo: Path) -> None:
    words = handed_on(repo, "ARGS=-m ~extra 'model.lr=${a}'", "b=1", "PYTHON=python3", "a=2")
    assert words == ["b=1", "a=2", "-m", "~extra", "model.lr=${a}"]


def test_lab_passes_the_outcome_on(repo: Path) -> None:
    assert make(repo, "lab-01", "DLLAB=true").returncode == 0
    assert make(repo, "lab-01", "DLLAB=false").returncode == 2  # make turns every failure into 2


def test_make_alone_lists_every_target(repo: Path) -> None:
    listing = make(repo).stdout
    rules = re.findall(r"^([a-z][a-z%-]*):(?!=)", (repo / "Makefile").read_text(), re.MULTILINE)
    assert len(rules) > 10
    for rule in set(rules) - {"help"}:
        assert f"  make {rule.replace('%', 'NN')} " in listing


def test_overrides_cannot_disturb_the_makefile(repo: Path) -> None:
    variables = re.findall(r"^([\w]+) *[:?]?=", (repo / "Makefile").read_text(), re.MULTILINE)
    assert all(name.startswith("_") or name.isupper() for name in variables)
