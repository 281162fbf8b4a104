"""Labs 01 to 06 and 20 broken on purpose: real runs, kept as what the curve doctor reads of them.

    PYTHONPATH=src python tests/broken_runs.py            # train what broken_runs.jsonl lacks
    PYTHONPATH=src python tests/broken_runs.py 04         # only that lab

A case edits the reference, trains it as a learner would, and keeps the curve, the loss of a guess,
the gain of the layers, and what the checks said. `none` is the reference as it is.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dllab.authoring.trial import make_project, run_dllab
from dllab.lab.find import Lab, find_lab
from dllab.lab.project import find_root
from dllab.report.findings import guess_loss, layer_gain
from dllab.rundir.run import RunFolder

RECORD = Path(__file__).with_name("broken_runs.jsonl")
READ = ("step", "epoch", "train/loss", "val/loss", "val/accuracy", "grad_norm", "still")

LOADED = 'self.train = self.load(self.name, "train", self.size)\n'
FEW = 'self.train = self._few("train")\n'
MIX = (
    '        self.train["label"] = self.train["label"][torch.randperm(len(self.train["label"]))]\n'
)
LOGITS_04 = "self.head(self.backbone(preprocess(image_BCHW, self.size, self.mean, self.std)))"
DATA_03 = '"""Labelled sequences: in a new order each epoch, for validation in their own."""\n'
MIXED_03 = f"{DATA_03}\n    def setup(self, stage=None):\n        super().setup(stage)\n{MIX}"
LOGITS_03 = "return self.head(self.dropout(self.readout(y_BTH, length_B)))"

Run = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A mistake in one arm of a lab: what is edited, and the words behind `dllab train NN`."""

    mistake: str
    lab: str
    arm: str
    edits: tuple[tuple[str, str], ...] = ()
    words: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from the others."""
        return self.mistake, self.lab, self.arm


def _cases() -> Iterator[Case]:
    short = ("trainer.max_epochs=3",)  # lab 02 in 3 epochs of 12
    brief = ("trainer.max_epochs=6",)  # fine-tuning in 6 of 14
    part = ("trainer.limit_train_batches=100",)  # a tenth of Shakespeare
    yield Case("learning rate x 100", "01", "main", words=("model.lr=0.1",))
    yield Case("learning rate x 100", "02", "main", words=("model.lr=10", *short))
    yield Case("learning rate x 100", "03", "vowels", words=("model.lr=1",))
    yield Case("learning rate x 100", "03", "reviews", words=("model.lr=1",))
    yield Case("learning rate x 100", "04", "probe", words=("model.lr=0.3",))
    yield Case("learning rate x 100", "04", "finetune", words=("model.lr=0.1", *brief))
    yield Case("learning rate x 100", "20", "lstm", words=("model.lr=1.5", *part))
    yield Case("shuffled labels", "01", "main", ((LOADED, LOADED + MIX),))
    yield Case("shuffled labels", "02", "main", ((LOADED, LOADED + MIX),), short)
    yield Case("shuffled labels", "03", "vowels", ((DATA_03, MIXED_03),))
    yield Case("shuffled labels", "03", "reviews", ((DATA_03, MIXED_03),))
    yield Case("shuffled labels", "04", "probe", ((FEW, FEW + MIX),))
    yield Case("shuffled labels", "04", "finetune", ((FEW, FEW + MIX),), brief)
    head = (("AdamW(self.parameters()", "AdamW(self.net[-1].parameters()"),)
    yield Case("frozen backbone", "01", "main", head)
    head = (
        (
            "            self.parameters(), self.lr",
            "            self.net[-1].parameters(), self.lr",
        ),
    )
    yield Case("frozen backbone", "02", "main", head, short)
    head = (("AdamW(self.parameters()", "AdamW(self.head.parameters()"),)
    yield Case("frozen backbone", "03", "vowels", head)
    thaw = (("self.thawed if epoch >= self.probe_epochs else 0", "0"),)
    yield Case("frozen backbone", "04", "finetune", thaw, brief)
    yield Case("no zero_grad", "01", "main", (("        optimizer.zero_grad()\n", ""),))
    twice = (("return self.net(x_BF)", "return self.net(x_BF).softmax(dim=1)"),)
    yield Case("softmax twice", "01", "main", twice)
    twice = (("- self.mean) / self.std)", "- self.mean) / self.std).softmax(dim=1)"),)
    yield Case("softmax twice", "02", "main", twice, short)
    yield Case("softmax twice", "03", "vowels", ((LOGITS_03, f"{LOGITS_03}.softmax(dim=1)"),))
    yield Case(
        "softmax twice", "04", "finetune", ((LOGITS_04, f"{LOGITS_04}.softmax(dim=1)"),), brief
    )
    slow = ("model.lr=1e-5",)
    yield Case("learning rate / 100", "01", "main", words=slow)
    yield Case(
        "learning rate / 100 in 2 epochs", "01", "main", words=(*slow, "trainer.max_epochs=2")
    )
    clip = "        nn.utils.clip_grad_norm_(parameters, max_norm)\n"
    unscale = "    finite = scaler.unscale(parameters)\n"
    early = ((clip, ""), (unscale, clip.removeprefix("    ") + unscale))
    yield Case("clipped before unscaling", "05", "fp16", early)
    summed = (
        (
            "F.cross_entropy(net(x_BD), label_B)",
            'F.cross_entropy(net(x_BD), label_B, reduction="sum")',
        ),
    )
    yield Case("summed loss", "05", "fp16", summed)
    yield Case("summed loss", "05", "fp32", summed)
    yield Case("weighted loss", "03", "reviews", words=("model.readout=last",))
    for number, arm in (
        ("01", "main"),
        ("02", "main"),
        *(("03", arm) for arm in ("vowels", "reviews")),
        *(("04", arm) for arm in ("probe", "finetune")),
        *(("05", arm) for arm in ("fp32", "bf16", "fp16")),
        ("06", "main"),
        ("20", "lstm"),
    ):
        yield Case("none", number, arm)


CASES = tuple(_cases())


def train(case: Case, lab: Lab) -> Run:
    """Train the case in a project of its own, and keep what the curve doctor reads of it."""
    with tempfile.TemporaryDirectory(prefix="dllab-broken-") as folder:
        root = Path(folder).resolve()
        make_project(root, lab)
        code = root / "labs" / lab.id / "lab.py"
        text = lab.solution.read_text(encoding="utf-8")
        for old, new in case.edits:
            if text.count(old) != 1:
                raise SystemExit(f"{case.key}: {old!r} is not there once")
            text = text.replace(old, new)
        code.write_text(text, encoding="utf-8")
        words = ["impl=mine", f"arm={case.arm}", *case.words, "trainer.threads=1"]
        words += [] if case.edits else ["--no-grade"]  # a check reads the code, which is right
        done = run_dllab(root, "train", case.lab, *words)
        if done.returncode not in (0, 1):
            raise SystemExit(f"{case.key}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        (run,) = (root / "runs").glob("*/*")
        return keep(case, RunFolder(run))


def keep(case: Case, run: RunFolder) -> Run:
    """A line of the record. Values are rounded to 5 digits: no rule looks closer."""
    arm, result = run.arm(case.arm), run.read_result()
    checks = result.checks if result else ()
    return {
        "mistake": case.mistake,
        "lab": case.lab,
        "arm": case.arm,
        "guess": _round(guess_loss(arm)),
        "gain": _round(layer_gain(arm)),
        "failed": {
            check.id: check.message
            for check in checks
            if check.status == "fail" and check.kind != "metric"
        },
        "curve": [
            {name: _round(value) for name, value in point.items() if name.startswith(READ)}
            for point in arm.read_curve()
            if len(point.keys() - {"step", "epoch", "lr"}) > 0
        ],
    }


def _round(value: float) -> float:
    return value if isinstance(value, int) else float(f"{value:.5g}")


def read() -> list[Run]:
    """The record."""
    lines = RECORD.read_text(encoding="utf-8").splitlines() if RECORD.is_file() else []
    return [json.loads(line) for line in lines]


def key(run: Run) -> tuple[str, str, str]:
    """The key of the case that a line is about."""
    return run["mistake"], run["lab"], run["arm"]


def write(runs: list[Run]) -> None:
    """Lines in the order of the cases."""
    order = [case.key for case in CASES]
    held = sorted((run for run in runs if key(run) in order), key=lambda run: order.index(key(run)))
    text = "".join(json.dumps(run, separators=(",", ":")) + "\n" for run in held)
    RECORD.write_text(text, encoding="utf-8")


def main() -> None:
    """Train the cases that the record lacks, keeping each as soon as it is trained."""
    wanted = sys.argv[1:]
    for case in CASES:
        held = {key(run) for run in read()}
        if case.key not in held and (not wanted or case.lab in wanted):
            print(*case.key, flush=True)
            run = train(case, find_lab(find_root(), case.lab))
            write([*read(), run])


if __name__ == "__main__":
    main()
