from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("no_bias", catches="parameters",
        why="The biases are forgotten.",
        edits=[("(before + 1) * after", "before * after")]),
]
