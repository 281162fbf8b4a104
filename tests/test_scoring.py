"""What a criterion may measure, by tiny labs: plays, dependent items, artifacts, time."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from authoring_labs import HERE, make_root, write_kind
from official_lab import declared, unzipped, zipped
from safetensors.torch import save_file

from dllab.data import find, load
from dllab.data.build import build
from dllab.errors import InfraError, LabError, Ungradable
from dllab.grading.grade import grade_run
from dllab.grading.items import EvaluatedOn, PublicTest
from dllab.grading.result import Mode
from dllab.lab.find import Lab
from dllab.lab.read import load_spec
from dllab.lab.scoring import scored_sets
from dllab.rundir.run import RunFolder, write_json
from dllab.sandbox.backends import Backend
from dllab.submission.intake import take_in
from dllab.submission.pack import pack

Weights = dict[str, torch.Tensor]

HEIGHTS = {
    "mean": torch.tensor([1.0, 3.0, 6.0]),
    "log_scale": torch.tensor([0.2, 0.5, 1.0]).log(),
}
VILLAGES = {"net.weight": torch.eye(3).repeat(1, 2), "net.bias": torch.zeros(3)}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = make_root(tmp_path / "project")
    (made / "data").mkdir()
    monkeypatch.chdir(made)
    return made


def made(root: Path, kind: str, weights: Weights | None = None) -> tuple[Lab, RunFolder]:
    """A lab, and a run of its reference as it lies when it was trained to these weights."""
    lab = write_kind(root, kind)
    run = RunFolder.create(root, lab.id)
    shutil.copyfile(lab.solution, run.code)
    arms = {"main": {"model": {}}} if weights else {}
    run.config.write_text(yaml.safe_dump({"lab": lab.id, "impl": "mine", "arms": arms}))
    if weights:
        run.arm("main").path.mkdir(parents=True)
        save_file(weights, run.arm("main").weights)
    return lab, run


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


class Hidden(PublicTest):
    """The public items, but in the role of hidden ones."""

    kind: EvaluatedOn = "hidden"


def graded(lab: Lab, run: RunFolder, wall: Backend, mode: Mode = "official") -> dict[str, Any]:
    return grade_run(lab, run, mode=mode, backend=wall, source=Hidden(), seed=1).result.plain()


def row_of(id: str, lab: Lab, run: RunFolder, wall: Backend) -> dict[str, Any]:
    [row] = [row for row in graded(lab, run, wall)["checks"] if row["id"] == id]
    return row


# ---- plays ------------------------------------------------------------------------------------


def test_a_play_samples_under_conditions_and_compares_with_hidden_items(
    root: Path, warm: Backend
) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    result = graded(lab, run, warm)
    assert (result["verdict"], result["score"]) == ("graded", 100)
    assert result["metrics"][0]["value"] < 0.3
    save_file({**HEIGHTS, "mean": HEIGHTS["mean"].flip(0)}, run.arm("main").weights)
    assert row_of("distance", lab, run, warm)["points"] == 0


def test_no_model_is_asked_when_the_labels_are_open(root: Path, warm: Backend) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    edit(lab.folder / "checks.py", "    return torch.cat(gaps)", "    return player.sample(2, 0)")
    with pytest.raises(InfraError, match="the labels are open: ask the model before that"):
        graded(lab, run, warm)


def test_words_of_code_that_had_hidden_items_are_withheld(root: Path, warm: Backend) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    edit(
        run.code, "        # BEGIN SOLUTION sample", "        raise ValueError('canary')\n        #"
    )
    assert "canary" not in row_of("distance", lab, run, warm)["message"]


def test_words_of_a_play_that_had_hidden_items_are_withheld(root: Path, warm: Backend) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    foul = "    if made[0].any():\n        raise ValueError(f'canary {hidden[0]}')\n    gaps = ["
    edit(lab.folder / "checks.py", "    gaps = [", foul)
    message = row_of("distance", lab, run, warm)["message"]
    assert message == "what your model answers ends the play: ValueError"


REMEMBERS = """
import torch
from torch import nn

Data = None


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.x, self.cue = nn.Parameter(torch.zeros(1)), None

    def reset(self):
        self.cue = None

    def act(self, observations):
        if self.cue is None:
            self.cue = observations
        return self.cue
"""


def test_a_model_remembers_between_calls_until_it_is_reset(root: Path, warm: Backend) -> None:
    lab, run = made(root, "memory", {"x": torch.zeros(1)})
    run.code.write_text(REMEMBERS)
    assert row_of("recall", lab, run, warm)["status"] == "pass"
    run.code.write_text(REMEMBERS.replace("        self.cue = None\n", "        pass\n"))
    message = row_of("recall", lab, run, warm)["message"]
    assert "act: expected shape [100], got [200]" in message, "the episodes before come back"


def test_a_hidden_play_is_known_to_the_scorer_alone(root: Path, warm: Backend) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    visible, hidden = (lab.folder / "checks.py"), lab.folder / "_author/checks.py"
    start = visible.read_text().index("@play(")
    play = visible.read_text()[start:]
    visible.write_text(visible.read_text()[:start].replace(", play\n", "\n"))
    hidden.write_text(f"import torch\n\nfrom dllab.checks import play\n\n\n{play}")
    edit(lab.folder / "lab.yaml", "checks: {", "hidden: [distance]\nchecks: {")
    lab = Lab(lab.root, lab.folder)
    practice = graded(lab, run, warm, "practice")
    assert "distance" not in {row["id"] for row in practice["checks"]}
    assert practice["max_score"] == 40
    official = graded(lab, run, warm)
    assert official["score"] == 100
    [row] = [row for row in official["checks"] if row["id"] == "distance"]
    assert row["visibility"] == "hidden"


def test_what_a_method_returns_must_be_as_the_play_says(root: Path, warm: Backend) -> None:
    lab, run = made(root, "conditional", HEIGHTS)
    edit(run.code, "noise_B)[:, None]", "noise_B)")
    row = row_of("distance", lab, run, warm)
    assert row["status"] == "fail"
    assert "500" not in row["message"], "hidden items were within reach"


BREAKS = (
    "    gaps.append(torch.zeros(1, 1)[int(samples.abs().max() / 1e6)])\n",
    "    gaps.append(samples.abs().max() * torch.tensor([1e38]))\n",
)


@pytest.mark.parametrize("line", BREAKS, ids=["an exception", "no finite number"])
def test_f9_what_a_model_answers_breaks_a_play_for_itself_alone(
    root: Path, warm: Backend, line: str
) -> None:
    """It goes on where all answers are zero, so nobody else is to blame."""
    lab, run = made(root, "conditional", HEIGHTS)
    returned = "    return torch.cat(gaps)"
    edit(lab.folder / "checks.py", returned, f"    samples = gaps[0]\n{line}{returned}")
    assert graded(lab, run, warm)["verdict"] == "graded"
    save_file({**HEIGHTS, "mean": HEIGHTS["mean"] * 1e9}, run.arm("main").weights)
    row = row_of("distance", lab, run, warm)
    assert (row["status"], row["points"]) == ("fail", 0)
    assert "what your model answers ends the play: " in row["message"]


# ---- items that are not independent -----------------------------------------------------------


def test_nodes_of_a_graph_are_scored_together_in_two_orders(root: Path, warm: Backend) -> None:
    lab, run = made(root, "graph", VILLAGES)
    result = graded(lab, run, warm)
    assert (result["verdict"], result["score"]) == ("graded", 100)
    [row] = [row for row in result["checks"] if row["id"] == "independent-main"]
    assert row["title"] == "Scores follow the items (main)"


def test_a_score_that_goes_by_position_is_no_evidence(root: Path, warm: Backend) -> None:
    lab, run = made(root, "graph", VILLAGES)
    edit(run.code, '[batch["node"]]', "[torch.arange(len(batch['node']))]")
    row = row_of("independent-main", lab, run, warm)
    assert row["status"] == "fail"
    assert "change with the order of the items" in row["message"]


def test_a_graph_that_needs_its_neighbours_is_refused_as_independent(
    root: Path, warm: Backend
) -> None:
    lab, run = made(root, "graph", VILLAGES)
    edit(lab.folder / "lab.yaml", "independent: false", "independent: true")
    lab = Lab(lab.root, lab.folder)
    assert row_of("independent-main", lab, run, warm)["status"] == "pass"
    centred = '[batch["node"]] - self.net.bias * 0 - batch["node"].float().mean()'
    edit(run.code, '[batch["node"]]', centred)
    row = row_of("independent-main", lab, run, warm)
    assert "change with its neighbours" in row["message"]


# ---- artifacts --------------------------------------------------------------------------------

BOOK = {"a": "0", "b": "10", "c": "110", "d": "1110", "e": "1111"}


@pytest.fixture
def books(root: Path) -> tuple[Lab, RunFolder]:
    """The artifact lab with a run of one's own that was trained: its book is there."""
    lab, run = made(root, "artifact")
    shutil.copyfile(lab.solution, lab.code)
    run.artifacts.mkdir()
    run.artifact("book.json").write_text(json.dumps(BOOK))
    write_json(run.card, {"impl": "mine", "status": "finished"})
    return lab, run


def test_an_artifact_travels_and_is_read_in_the_sandbox(
    books: tuple[Lab, RunFolder], warm: Backend
) -> None:
    lab, run = books
    archive = pack(lab, run, lab.root / "ada.zip")
    taken = take_in(archive, lab, lab.root / "in").run
    assert taken.artifact("book.json").read_bytes() == run.artifact("book.json").read_bytes()
    assert graded(lab, taken, warm)["score"] == 100


def test_a_play_gets_the_items_of_a_set_that_its_criterion_names(
    books: tuple[Lab, RunFolder], warm: Backend
) -> None:
    lab, run = books
    shutil.copytree(HERE / "conditional" / "data", lab.root / "data", dirs_exist_ok=True)
    build(find("heights"))
    edit(lab.folder / "lab.yaml", "metric: length,", "metric: length, data: heights,")
    edit(lab.folder / "checks.py", '@play("length")', '@play("length", items=True)')
    edit(lab.folder / "checks.py", "length(player, rng)", "length(player, rng, items)")
    counted = "torch.full((len(items.labels()['label'])"
    edit(lab.folder / "checks.py", "torch.full((len(text)", counted)
    lab = Lab(lab.root, lab.folder)
    assert scored_sets(lab) == ["heights"]
    [metric] = graded(lab, run, warm)["metrics"]
    assert metric["n"] == len(load("heights", "test")["label"])


def test_only_a_play_without_arms_names_a_set(books: tuple[Lab, RunFolder]) -> None:
    path = books[0].folder / "lab.yaml"
    edit(path, "kind: play, metric: length,", "kind: timing, metric: length, data: heights,")
    with pytest.raises(LabError, match=r"criteria\.length\.data: only a play"):
        load_spec(path.parent)


@pytest.mark.parametrize(
    ("book", "said"),
    [
        ("{", "JSONDecodeError"),
        (json.dumps({"a": "1"}), "KeyError"),
        (json.dumps({**BOOK, "a": "0" * 9, "b": "1" * 9}), "expected ≤ 1.98"),
    ],
)
def test_an_artifact_that_is_wrong_is_the_learners_fault(
    books: tuple[Lab, RunFolder], warm: Backend, book: str, said: str
) -> None:
    lab, run = books
    run.artifact("book.json").write_text(book)
    row = row_of("length", lab, run, warm)
    assert (row["status"], row["points"]) == ("fail", 0)
    assert said in row["message"]


def test_a_run_without_its_artifact_is_told_so(books: tuple[Lab, RunFolder], warm: Backend) -> None:
    lab, run = books
    run.artifact("book.json").unlink()
    assert "has no book.json" in row_of("length", lab, run, warm)["message"]
    with pytest.raises(LabError, match=r"lacks artifacts/book\.json"):
        pack(lab, run, lab.root / "ada.zip")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("artifacts/book.json", b"x" * 2001, "the cap is 2000"),
        ("artifacts/other.json", b"{}", "is not an artifact of"),
        ("artifacts/../lab.py", b"{}", "not a file of a submission"),
        ("artifacts/.hidden", b"{}", "not a file of a submission"),
    ],
)
def test_no_other_artifact_is_taken_in(
    books: tuple[Lab, RunFolder], name: str, content: bytes, reason: str
) -> None:
    lab, run = books
    files = unzipped(pack(lab, run, lab.root / "ada.zip"))
    hostile = lab.root / "hostile.zip"
    hostile.write_bytes(zipped(declared({**files, name: content})))
    with pytest.raises(Ungradable, match=reason):
        take_in(hostile, lab, lab.root / "in")


# ---- time -------------------------------------------------------------------------------------

LOOP = "torch.stack([(one - other_BD).square().sum(dim=1).sqrt() for one in one_AD])"
WHOLE = "(one_AD[:, None] - other_BD[None]).square().sum(dim=2).sqrt()"


def test_speed_is_a_ratio_to_the_yardstick(root: Path, warm: Backend) -> None:
    lab, run = made(root, "timing")
    result = graded(lab, run, warm)
    assert (result["verdict"], result["score"]) == ("graded", 100)
    [metric] = result["metrics"]
    assert (metric["name"], metric["n"], metric["direction"]) == ("speed", 9, "min")
    assert metric["value"] < 0.3
    edit(run.code, WHOLE, LOOP)
    assert row_of("speed", lab, run, warm)["points"] == 0


def test_what_is_fast_and_wrong_earns_nothing(root: Path, warm: Backend) -> None:
    lab, run = made(root, "timing")
    edit(run.code, WHOLE, "one_AD.new_zeros(len(one_AD), len(other_BD))")
    row = row_of("speed", lab, run, warm)
    assert row["points"] == 0
    assert "what is fast must be right as well: every number is 0" in row["message"]


def test_the_reference_is_a_yardstick_for_the_scorer(root: Path, warm: Backend) -> None:
    lab, run = made(root, "timing")
    edit(lab.folder / "checks.py", "    against=by_loop,\n", "")
    edit(run.code, WHOLE, LOOP)
    assert row_of("speed", lab, run, warm)["points"] == 0
    shutil.rmtree(lab.folder / "_author")
    with pytest.raises(InfraError, match="against the reference, which is not here"):
        graded(lab, run, warm)


def test_code_that_fails_in_its_turn_is_told_why(root: Path, warm: Backend) -> None:
    lab, run = made(root, "timing")
    edit(run.code, f"return {WHOLE}", "raise ValueError('tired')")
    assert "tired" in row_of("speed", lab, run, warm)["message"]
    edit(lab.folder / "checks.py", "    rows = [", "    raise ValueError('loop')\n    rows = [")
    with pytest.raises(InfraError, match="the yardstick of against-a-loop failed"):
        graded(lab, run, warm)
