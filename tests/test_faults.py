"""What a learner is told when their code fails under a check: the line, and what is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from authoring_labs import make_root, write_kind

from dllab.errors import LearnerError
from dllab.grading.code_checks import run_checks
from dllab.result import CheckRow
from dllab.sandbox import session

Try = Callable[..., CheckRow]


@pytest.fixture
def attempt(tmp_path: Path) -> Try:
    """The row of a check, after the reference of a small lab was changed."""

    def run(kind: str, check: str, *edits: tuple[str, str]) -> CheckRow:
        lab = write_kind(make_root(tmp_path), kind)
        text = lab.solution.read_text()
        for old, new in edits:
            assert old in text
            text = text.replace(old, new)
        lab.code.write_text(text)
        return next(row for row in run_checks(lab, lab.code) if row.id == check)

    return run


def test_a06_what_a_rank_raised_has_its_line(attempt: Try) -> None:
    row = attempt("ranks", "mean", ("dist.all_reduce(pair)", "dist.all_reduce(pears)"))
    assert row.message.startswith("lab.py:11: it raised: rank ")
    assert row.message.endswith(": NameError: name 'pears' is not defined")
    shown = row.evidence["traceback"]
    assert "dist.all_reduce(pears)" in shown
    assert shown.count("File ") == 1


@pytest.mark.in_turns
def test_a06_no_frames_of_torch_stand_between_those_of_the_learner(attempt: Try) -> None:
    """`Module.__call__` has two of its own, and the function that fails at last some more."""
    wrong = "self.policy(observations[:, :1])"
    row = attempt("control", "act", ("self.policy(observations)", wrong))
    assert "mat1 and mat2 shapes cannot be multiplied" in row.message
    assert "site-packages" not in row.evidence["traceback"]
    assert wrong in row.evidence["traceback"]


@pytest.mark.in_turns
@pytest.mark.parametrize(
    ("kind", "check", "edit", "told"),
    [
        (
            "ranks",
            "mean",
            ("def mean_over_ranks(", "mean_over_ranks = 3\ndef mean_over_rank("),
            "'int' object is not callable (the check: return {\"mean\": lab.mean_over_ranks(",
        ),
        ("control", "act", ("def act(", "def action("), "Model has no act; it has action (the"),
        (
            "control",
            "act",
            ("self.policy", "self.policies"),
            "Model has no policy; it has policies",
        ),
    ],
)
def test_a07_what_is_missing_is_named(
    attempt: Try, kind: str, check: str, edit: tuple[str, str], told: str
) -> None:
    assert told in attempt(kind, check, edit).message


@pytest.mark.in_turns
@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "kept = []\n        while True: kept += [torch.zeros(9)]",
        "sum(range(10**15))  # never comes back from C",
    ],
)
def test_a05_an_endless_loop_is_told_with_its_line(
    attempt: Try, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PRACTICE_S", 2.0)
    row = attempt("control", "act", ("return torch.tanh(", f"{loop}\n        return torch.tanh("))
    assert row.message.startswith("timed out after 2 s, at lab.py:")
    assert ", in act: " in row.message
    assert loop.splitlines()[-1].strip() in row.evidence["traceback"]
    assert row.evidence["traceback"].count("File ") == 1


@pytest.mark.in_turns
def test_a05_a_file_whose_import_never_ends_is_told_with_its_line(
    attempt: Try, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "IMPORT_S", 3.0)
    with pytest.raises(LearnerError, match=r"timed out after 3 s, at lab.py:\d+, in <module>"):
        attempt("ranks", "mean", ("import torch\n", "while True: pass\nimport torch\n"))


def test_a05_ranks_that_wait_for_each_other_are_told_apart(
    attempt: Try,
) -> None:
    """One rank makes a call that the others never make."""
    once_more = "if dist.get_rank() == 1: dist.all_reduce(pair)"
    row = attempt("ranks", "mean", ("return pair[0]", f"{once_more}\n    return pair[0]"))
    assert "lab.py:12: it hangs: the ranks are not done after 8 s: " in row.message
    assert "rank 0 has made 1 collective call and is done; " in row.message
    waiting = f"rank 1 has made 2 collective calls and waits at lab.py:12 ({once_more})"
    assert waiting in row.message
