"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("one_path", catches="backward",
        why="Of several paths only the last one counts.",
        edits=[("node.grad += upstream", "node.grad = upstream")]),
]
