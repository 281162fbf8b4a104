"""The visible checks of this lab: `pytest labs/lab06_ddp`."""

import pytest

from dllab.checks import Check, collect, run_here

from . import checks, lab


@pytest.mark.parametrize("check", collect(checks), ids=lambda check: check.id)
def test_lab(check: Check) -> None:
    """One check is one test; a failure says what was expected and what came."""
    outcome = run_here(check, lab)
    if not outcome.ok:
        pytest.fail(f"{check.sentence}\n  {outcome.message}", pytrace=False)
