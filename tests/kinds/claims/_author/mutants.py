from dllab.checks.mutants import Mutant

MUTANTS = [
    Mutant("summed", catches="loss",
        why="The sum makes the step grow with the batch.",
        edits=[(".square().mean()", ".square().sum()")]),
]
