"""Changes the grader's files under its feet: the lab, dllab itself, the archive's copy."""

import dllab
import labs.lab90_tiny.checks as checks

TARGETS = (checks.__file__, dllab.__file__, __file__, "@ROOT@/labs/lab90_tiny/lab.yaml")
for path in TARGETS:
    try:
        with open(path, "a") as file:
            file.write("\n# LOOT\n")
    except OSError as error:
        print(error)
