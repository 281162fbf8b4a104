"""Five hundred submissions, fifty of them hostile, on a machine that fails: what is lost or wrong?

    python -m bench.faults --count 500 --hostile 50

The submissions are of the tests' small lab: honest ones with all points, and the attacks of
tests/redteam in turns. `dllab grade` goes through them two at a time, and is met by one fault after
the other: its zygote is killed, it gets SIGTERM, it starts with a umask of 077 and a clock that has
moved, its disks are full, and a second grader works on the same folder. Each time the same command
is given again. In the end each submission has one signed result with the verdict and the points
that it has on a quiet day.
"""

import argparse
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from bench.measure import ROOT
from dllab.grading.signature import is_ours
from dllab.result import Result, read_result

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "redteam")]
from archives import ARCHIVES  # noqa: E402
from official_lab import HERE, WEIGHTS, Stage, make_stage  # noqa: E402

YEAR_S = 365 * 86_400
SLOW = 600.0
CLOCK = """
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    long failed = syscall(SYS_clock_gettime, which, now);
    const char *moved = getenv("MOVED_S");
    if (!failed && which == CLOCK_REALTIME && moved) now->tv_sec += atol(moved);
    return failed;
}
"""


@dataclass(frozen=True)
class Expected:
    """What a submission gets on a quiet day: the verdict, and from how many points to how many."""

    verdict: str
    least: float = 0.0
    most: float = 0.0

    def wrong(self, result: Result) -> str:
        """In what a result differs; empty where it does not."""
        points = result.score if result.verdict == "graded" else 0.0
        if result.verdict == self.verdict and self.least <= points <= self.most:
            return ""
        return f"{result.submission.learner}: {result.verdict} {points:g} ({result.reason})"


def hand_in(stage: Stage, count: int, hostile: int) -> dict[str, Expected]:
    """Lay submissions into the stage's folder; by learner, what each of them is to get."""
    outcomes = yaml.safe_load((HERE / "outcomes.yaml").read_text(encoding="utf-8"))
    attacks: list[tuple[str, Callable[[], Path]]] = [
        (name, lambda name=name: stage.submit("x", stage.code(name))) for name in outcomes["code"]
    ]
    whole = {name: make for name, make in ARCHIVES.items() if name != "nobody_may_read"}  # a folder
    attacks += [(name, lambda make=make: make(stage)) for name, make in whole.items()]
    told = {**outcomes["code"], **outcomes["archives"]}
    expected = {}
    for number in range(hostile):
        name, make = attacks[number * len(attacks) // hostile % len(attacks)]
        learner = f"a{number}-{name}"
        make().rename(stage.root / "archives" / f"{learner}.zip")
        expected[learner] = Expected(told[name]["verdict"], most=told[name].get("most", 0))
    for number in range(count - hostile):
        stage.submit(f"h{number}", weights={"scale": WEIGHTS["scale"] + number})
        expected[f"h{number}"] = Expected("graded", 20, 20)
    return expected


@dataclass
class Grader:
    """`dllab grade` on the stage's folder, again and again."""

    stage: Stage
    out: Path
    tried: list[str] = field(default_factory=list)

    def start(self, **environment: str) -> "subprocess.Popen[bytes]":
        """Begin, or go on."""
        words = ["grade", "archives", "--official", "--hidden", str(self.stage.hidden)]
        words += ["--jobs", "2", "--out", str(self.out), "--backend", "zygote"]
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "dllab", *words],
            cwd=self.stage.root,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    @property
    def done(self) -> int:
        """How many results there are."""
        return len(list((self.out / "results").glob("*.json")))

    def wait_for(self, more: int, process: "subprocess.Popen[bytes]") -> None:
        """Until there are so many more results, or it has ended."""
        goal, ends = self.done + more, time.monotonic() + SLOW
        while self.done < goal and process.poll() is None and time.monotonic() < ends:
            time.sleep(0.05)

    def end(self, process: "subprocess.Popen[bytes]", what: str) -> None:
        """Wait until it has ended, and note how."""
        _, said = process.communicate(timeout=SLOW)
        last = said.decode(errors="replace").strip().splitlines()[-1:] or [""]
        self.tried.append(f"{what}: exit code {process.returncode}, {self.done} results. {last[0]}")
        print(self.tried[-1], flush=True)


def killed_zygote(grader: Grader, step: int) -> None:
    """SIGKILL for the process that workers are forked from, three times in one go."""
    process = grader.start()
    for _ in range(3):
        grader.wait_for(step, process)
        for one in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if "dllab.sandbox.zygote_server" in one.cmdline():
                    one.kill()
    _terminate(grader, process, step, "zygote killed three times, then SIGTERM")


def moved_clock(grader: Grader, step: int, clock: Path | None) -> None:
    """A umask of 077, a clock a year ahead; and no chance to end well."""
    moved = {"LD_PRELOAD": str(clock), "MOVED_S": str(YEAR_S)} if clock else {}
    before = os.umask(0o077)
    try:
        process = grader.start(**moved)
    finally:
        os.umask(before)
    grader.wait_for(step, process)
    process.kill()
    grader.end(process, "umask 077, clock a year ahead, then SIGKILL")


def full_disk(grader: Grader, step: int) -> None:
    """Neither results nor scratch files can be written any more; then there is room again."""
    process = grader.start(TMPDIR=str(grader.out / "scratch"))
    grader.wait_for(step, process)
    ballast = grader.out / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=60)
    if process.poll() is None:
        process.terminate()
    grader.end(process, "disk full")
    ballast.unlink()


def two_graders(grader: Grader, clock: Path | None) -> None:
    """Side by side on one folder, to the end; the clock of one is a year behind."""
    moved = {"LD_PRELOAD": str(clock), "MOVED_S": str(-YEAR_S)} if clock else {}
    first, second = grader.start(), grader.start(**moved)
    grader.end(first, "two graders, one")
    grader.end(second, "two graders, the other, its clock a year behind")


def _terminate(grader: Grader, process: "subprocess.Popen[bytes]", step: int, what: str) -> None:
    grader.wait_for(step, process)
    process.send_signal(signal.SIGTERM)
    grader.end(process, what)


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A small disk where this user may mount one, else a folder."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(words, check=False).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def make_clock(folder: Path) -> Path | None:
    """A library that moves the clock of a process; None without a C compiler."""
    if not (compiler := shutil.which("cc")):
        return None
    (folder / "clock.c").write_text(CLOCK)
    words = [compiler, "-shared", "-fPIC", "-o", str(folder / "clock.so"), str(folder / "clock.c")]
    subprocess.run(words, check=True)
    return folder / "clock.so"


def faults(out: Path, expected: Mapping[str, Expected]) -> list[str]:
    """What went wrong: results that are lost, double, unsigned, or not what they should be."""
    results = [read_result(file) for file in sorted((out / "results").glob("*.json"))]
    learners = [result.submission.learner or "" for result in results]
    wrong = [f"lost: {name}" for name in expected if name not in learners]
    wrong += [f"double: {name}" for name in {n for n in learners if learners.count(n) > 1}]
    wrong += [f"unsigned: {r.submission.learner}" for r in results if not is_ours(r)]
    wrong += [told for r in results if (told := expected[r.submission.learner or ""].wrong(r))]
    with (out / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        listed = {row["learner"] for row in csv.DictReader(file)}
    return wrong + [f"not in grades.csv: {name}" for name in expected if name not in listed]


def run(count: int, hostile: int, folder: Path) -> list[str]:
    """All faults, one after the other; what is wrong in the end."""
    os.environ["DLLAB_GRADER_KEY"] = str(folder / "grader.pem")
    stage = make_stage(folder)
    stage.fills = {"HOME": str(folder), "PORT": "9", "SOCKET": "/nowhere", "ABSTRACT": "nobody"}
    expected, step = hand_in(stage, count, hostile), max(count // 12, 1)
    clock, processes = make_clock(folder), _orphans()
    with disk(folder / "disk", 64) as out:
        (out / "scratch").mkdir()
        grader = Grader(stage, out)
        killed_zygote(grader, step)
        moved_clock(grader, step, clock)
        full_disk(grader, step)
        two_graders(grader, clock)
        before = {file: file.read_bytes() for file in (out / "results").glob("*.json")}
        grader.end(grader.start(), "once more, with nothing left to do")
        wrong = faults(out, expected)
        wrong += [f"graded twice: {f.name}" for f, text in before.items() if f.read_bytes() != text]
    time.sleep(1)
    return wrong + [f"left running: {one.cmdline()}" for one in _orphans() - processes]


def _orphans() -> set[psutil.Process]:
    """Workers and zygotes whose grader is gone."""
    found = set()
    for one in psutil.process_iter():
        with suppress(psutil.Error):
            if one.ppid() == 1 and "dllab.sandbox" in " ".join(one.cmdline()):
                found.add(one)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Print each fault, and what is wrong in the end; exit code 1 where something is."""
    parser = argparse.ArgumentParser(prog="python -m bench.faults")
    parser.add_argument("--count", type=int, default=500, metavar="N")
    parser.add_argument("--hostile", type=int, default=50, metavar="N")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dllab-faults-") as folder:
        wrong = run(args.count, args.hostile, Path(folder).resolve())
    print(json.dumps({"submissions": args.count, "hostile": args.hostile, "wrong": wrong}))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
