"""Classic mistakes, each with the check or criterion that catches it."""

from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("forgets", catches="act",
        why="Each observation begins a new episode.",
        edits=[("observations[:, None], self.state)", "observations[:, None], None)")]),

    Mutant("last", catches="recall",
        why="What is learned is to repeat the last observation.",
        edits=[('actions - batch["cue"]', 'actions - batch["seen"][:, -1]')]),
]
