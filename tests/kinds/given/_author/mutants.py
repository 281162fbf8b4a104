"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("once", catches="quadruple",
        why="Once is not twice.",
        edits=[("double(double(x))", "double(x)")]),
]
