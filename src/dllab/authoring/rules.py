"""The vocabulary of the doctor: a rule is one thing that must hold of every lab.

A rule is a function of a `Case` that yields a message for each fault it finds. Its docstring is the
sentence that `dllab doctor --rules` prints, its remedy what an author is told to do.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from dllab.authoring.content import PARTS, ProofPart
from dllab.authoring.mutation import Generated
from dllab.authoring.proof import CheckFinding
from dllab.authoring.trial import Trial
from dllab.checklist.topics import Checklist
from dllab.checks import Check
from dllab.checks.mutants import Mutant
from dllab.lab.find import Lab

Needs = Literal["text", "proof", "mutation", "training"]
ALL: tuple[Needs, ...] = ("text", "proof", "mutation", "training")
FAST: tuple[Needs, ...] = ("text", "proof")
PROVES: Mapping[ProofPart, tuple[Needs, ...]] = {
    "checks": ("proof", "mutation"),
    "training": ("training",),
}


@dataclass(frozen=True)
class Equivalent:
    """An entry of `_author/equivalent.yaml`: a generated mutant that is not a mistake, and why."""

    before: str
    after: str
    reason: str


@dataclass(frozen=True)
class LabCase:
    """One lab and all that was found out about it. `content` is what it was made of before."""

    lab: Lab
    solution: str
    starter: str
    checks: Mapping[str, Check]
    mutants: tuple[Mutant, ...]
    equivalent: tuple[Equivalent, ...]
    checklist: Checklist
    content: Mapping[ProofPart, str] = field(default_factory=dict)
    generated: tuple[Generated, ...] = ()
    of_starter: list[CheckFinding] = field(default_factory=list)
    of_judges: list[CheckFinding] = field(default_factory=list)
    of_reference: list[list[CheckFinding]] = field(default_factory=list)
    of_mutant: dict[str, list[CheckFinding]] = field(default_factory=dict)
    of_hint: dict[str, list[CheckFinding]] = field(default_factory=dict)
    of_variant: dict[str, list[CheckFinding]] = field(default_factory=dict)
    of_generated: dict[int, list[CheckFinding]] = field(default_factory=dict)
    trial: Trial | None = None
    cpu_s: dict[ProofPart, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))

    @property
    def survivors(self) -> list[Generated]:
        """The generated mutants that no check failed."""
        return [
            mutant
            for number, mutant in enumerate(self.generated)
            if all(finding.passed for finding in self.of_generated.get(number, []))
        ]

    def is_caught(self, mutant: Mutant) -> bool:
        """Whether the check that a mutant names has failed it, whatever values were drawn."""
        findings = [f for f in self.of_mutant.get(mutant.name, []) if f.check == mutant.catches]
        return bool(findings) and not any(finding.passed for finding in findings)

    def is_called_equivalent(self, mutant: Generated) -> bool:
        """Whether equivalent.yaml has an entry for it."""
        return any((e.before, e.after) == (mutant.before, mutant.after) for e in self.equivalent)


@dataclass(frozen=True)
class Fault:
    """What is wrong with a lab, the rule that says so, and what to do about it."""

    rule: str
    message: str
    remedy: str


@dataclass(frozen=True)
class Rule:
    """`needs` says what must be found out first; `--fast` leaves out mutation and training."""

    id: str
    needs: Needs
    remedy: str
    sentence: str
    find: Callable[[LabCase], Iterator[str]]

    def faults(self, case: LabCase) -> list[Fault]:
        """All faults of this rule in a lab."""
        remedy = self.remedy.replace("NN", case.lab.number)
        return [Fault(self.id, message, remedy) for message in self.find(case)]


def rule(
    id: str, remedy: str, *, needs: Needs = "text"
) -> Callable[[Callable[[LabCase], Iterator[str]]], Rule]:
    """Turn a function into a Rule. In the remedy, NN stands for the lab's number."""

    def decorate(find: Callable[[LabCase], Iterator[str]]) -> Rule:
        return Rule(id, needs, remedy, " ".join((find.__doc__ or "").split()), find)

    return decorate
