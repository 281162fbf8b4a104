r"""Mutants: the reference with one classic mistake planted, to prove that a check catches it.

`_author/mutants.py` lists those of a lab:

    MUTANTS = [
        Mutant("missing_zero_grad", catches="training-step",
            why="Gradients pile up: each step also repeats all steps before it.",
            says="zero_grad is missing",
            edits=[("        optimizer.zero_grad()\n", "")]),

        Mutant("summed_loss", catches="cross-entropy",
            why="The learning rate grows with the batch.",
            code={"cross-entropy": "return F.cross_entropy(logits_BC, label_B, reduction='sum')"}),
    ]

A break-it criterion wants right code that is written otherwise, too:

    VARIANTS = [
        Variant("by_library", code={"cross-entropy": "return F.cross_entropy(logits_BC, label_B)"}),
    ]
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One planted mistake, and the check (or criterion) that must fail.

    An edit is a text that stands in solution.py exactly once, and the text in its place. `code` is
    another solution of a whole task. `says` are words that the check's message must hold.
    """

    name: str = field(kw_only=False)
    catches: str
    why: str
    says: str = ""
    edits: Sequence[tuple[str, str]] = ()
    code: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """The reference written otherwise, and right all the same: no case may fail it."""

    name: str = field(kw_only=False)
    edits: Sequence[tuple[str, str]] = ()
    code: Mapping[str, str] = field(default_factory=dict)
