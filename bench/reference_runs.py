"""P9: the reference of every lab, from the command to the practice grade, all arms.

Two threads at most, as dllab chooses on two free cores; the data is there already. One run of each:
the median and the longest are judged, so the spread is that between labs.
"""

from collections.abc import Iterator

from bench.measure import ROOT, Plan, Result, child, judged, main, project
from dllab.lab.find import all_labs

GRADED = (0, 1)  # a run cut short for --smoke does not pass


def measure(plan: Plan) -> Iterator[Result]:
    """One run of each lab, one after the other."""
    short = ["debug=fast"] if plan.smoke else []
    with project() as root:
        took = {}
        for lab in all_labs(ROOT)[: 1 if plan.smoke else None]:
            words = ["-m", "dllab", "train", lab.number, "impl=reference", *short]
            took[lab.number] = child(*words, threads=2, cwd=root, codes=GRADED).wall_s
    why = ", ".join(f"lab {number} {seconds:.0f} s" for number, seconds in took.items())
    yield judged("P9-median", list(took.values()), why)
    yield judged("P9-longest", [max(took.values())], "wall")


if __name__ == "__main__":
    main(measure)
