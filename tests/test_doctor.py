"""The doctor is right about labs of every kind, and names the rule that a fault breaks."""

import json
import re
from pathlib import Path

import pytest
import torch
from authoring_labs import make_root, write_kind

from dllab.authoring.cost import cost_of
from dllab.authoring.doctor import RULES, diagnose
from dllab.authoring.generated import lab_page
from dllab.authoring.hostile import hostile_arrays
from dllab.authoring.rules import FAST
from dllab.authoring.rules_page import FORMER_SECTIONS
from dllab.authoring.strip import strip
from dllab.authoring.trial import run_dllab
from dllab.cli.doctor import generated_text, measures
from dllab.cli.main import main
from dllab.lab.find import Lab
from dllab.lab.starter import solution_regions

MUTATION = (*FAST, "mutation")


@pytest.fixture
def root(tmp_path: Path, monkeypatch) -> Path:
    made = make_root(tmp_path)
    monkeypatch.chdir(made)
    return made


def faults(lab: Lab, needs=FAST) -> dict[str, list[str]]:
    [diagnosis] = diagnose([Lab(lab.root, lab.folder)], needs=needs, jobs=2)
    found: dict[str, list[str]] = {}
    for fault in diagnosis.faults:
        assert fault.remedy, fault
        found.setdefault(fault.rule, []).append(fault.message)
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new))


@pytest.mark.in_turns
def test_several_labs_are_proved_side_by_side(root):
    """Here three kinds; test_kinds.py asks the doctor about each of them, and for all rules."""
    labs = [
        write_kind(root, kind, n)
        for n, kind in (("90", "code_only"), ("91", "control"), ("92", "break_it"))
    ]
    for diagnosis in diagnose(labs, needs=FAST, jobs=2):
        assert diagnosis.faults == (), diagnosis.lab.id


def mutants(folder: Path) -> Path:
    return folder / "_author/mutants.py"


# What is done to a sound lab, and the one rule that must speak of it.
BREAKS = {
    "loads": lambda f: (f / "_author/solution.py").unlink(),
    "break-it": lambda f: edit(f / "lab.yaml", "most: 4", "most: 1"),
    "forecast": lambda f: edit(f / "lab.yaml", "skill: 0.5", "skill: 0.99"),
    "claims": lambda f: edit(f / "lab.yaml", "model.momentum=0.8]", "model.start=0.8]"),
    "points": lambda f: edit(f / "lab.yaml", "act: 30", "act: 20"),
    "order": lambda f: edit(f / "checks.py", 'depends_on=("act",)', 'depends_on=("later",)'),
    "starter": lambda f: edit(f / "lab.py", "import torch\n", "import torch  # mine\n"),
    "hints": lambda f: edit(f / "lab.yaml", "act: [think, ", "act: ["),
    "readme": lambda f: edit(f / "README.md", "## Classic mistakes", "## Mistakes"),
    "tables": lambda f: edit(f / "README.md", "| 30 |", "| 31 |"),
    "leaks": lambda f: edit(f / "README.md", "# control", "place_B = place_B + 0.1 * speed_B"),
    "topics": lambda f: edit(f / "lab.yaml", "[tiny]", "[tinny]"),
    "requires": lambda f: edit(f / "lab.yaml", "topics:", "requires: ['55']\ntopics:"),
    "apart": lambda f: hide_a_visible_probe(f),  # noqa: PLW0108 - defined below
    "files": lambda f: (f / "notes.txt").touch(),
    "texts": lambda f: edit(f / "README.md", "# control", "# WRITE: a title"),
    "hint-code": lambda f: edit(f / "lab.yaml", "torch.tanh(self", "torch.sin(self"),
    "starter-fails": lambda f: edit(f / "checks.py", "model.act(", "zeros_like("),
    "reference": lambda f: edit(f / "checks.py", 'close(got["push"]', 'close(1 + got["push"]'),
    "judges": lambda f: edit(
        f / "checks.py", 'close(got["push"]', 'close(1 / int(got["push"].max() < 1) * got["push"]'
    ),
    "mutants": lambda f: edit(mutants(f), 'catches="act"', 'catches="cost"'),
    "says": lambda f: edit(mutants(f), 'catches="act"', 'catches="act", says="no such word"'),
    "every-check": lambda f: edit(mutants(f), 'catches="act"', 'catches="rest"'),
    "kill-rate": lambda f: edit(f / "checks.py", 'got["cost"], total', "total, total"),
    "equivalent": lambda f: (f / "_author/equivalent.yaml").write_text(
        "- {before: a, after: b, reason: none}"
    ),
    "criteria": lambda f: edit(f / "checks.py", '@play("rest"', '@play("unrest"'),
    "thresholds": lambda f: edit(f / "lab.yaml", "pass: 0.87", "pass: 0.99"),
    "experiments": lambda f: (f / "lab.yaml").write_text(
        (f / "lab.yaml").read_text() + "experiments: {still: {title: Still, seeds: [0], "
        "measures: [rest], overrides: [model.lr=0]}}\n"
    ),
    "trains": lambda f: edit(f / "conf/config.yaml", "lr: 0.05", "lr: 0.0"),
    "official": lambda f: edit(f / "conf/config.yaml", "steps: 40", "steps: 1"),
    "configs": lambda f: write(f / "conf/data/full.yaml", "[1, 2]"),
    "budget": lambda f: edit(f / "lab.yaml", "train_s: 60", "train_s: 0.01"),
}  # fmt: skip
OF_FORMATS = {"break-it": "break_it", "forecast": "forecast", "claims": "claims"}
NEEDS = {"loads": "text", **{rule.id: rule.needs for rule in RULES}}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def hide_a_visible_probe(folder: Path) -> None:
    edit(folder / "lab.yaml", "cost: 20}", "cost: 20}\nhidden: [cost]")
    (folder / "_author/checks.py").write_text((folder / "checks.py").read_text())


def or_in_turns(rule: str) -> object:
    """What generates mutants or trains takes seconds each time."""
    costs = NEEDS[rule] in ("mutation", "training")
    return pytest.param(rule, marks=pytest.mark.in_turns) if costs else rule


@pytest.mark.parametrize(
    "rule",
    [or_in_turns(rule) for rule in NEEDS if NEEDS[rule] != "training" or rule in OF_FORMATS],
)
def test_a_broken_rule_is_named(root, rule):
    """Every rule of the doctor: one without its case in BREAKS fails here."""
    lab = write_kind(root, OF_FORMATS.get(rule, "control"))
    BREAKS[rule](lab.folder)
    found = faults(lab, ("text", "proof", NEEDS[rule]))
    assert rule in found, found


def test_a_judge_that_ends_its_process_is_named(root):
    lab = write_kind(root, "control")
    says = '"""`act` squashes what the policy says, so that it lies between -1 and 1."""\n'
    edit(lab.folder / "checks.py", says, f"{says}    got['push'].any() or exit()\n")
    assert "act breaks: it ended early: died" in faults(lab)["judges"]


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "bool"])
def test_judges_are_tried_with_arrays_of_each_type(dtype):
    rng = torch.Generator().manual_seed(0)
    for _, got in hostile_arrays({"x": f"{dtype} [2, *]"}, rng):
        assert got["x"].dtype == getattr(torch, dtype)


def test_a_probe_that_the_sandbox_cannot_find_is_named(root):
    lab = write_kind(root, "control")
    edit(
        lab.folder / "checks.py",
        "probe=act_probe",
        "probe=lambda lab, given: act_probe(lab, given)",
    )
    assert "the probe of act is <lambda>, not a function of a module" in faults(lab)["apart"]


def test_an_order_other_than_that_of_the_tasks_is_named(root):
    lab = write_kind(root, "generative")
    text = (lab.folder / "checks.py").read_text()
    critic, generator, plays = (
        text.index(mark) for mark in ("def critic_probe", "def generator_probe", "@play")
    )
    swapped = text[:critic] + text[generator:plays] + text[critic:generator] + text[plays:]
    (lab.folder / "checks.py").write_text(swapped)
    edit(lab.folder / "lab.yaml", "  generator: [think", "  critic: [a]\n  generator: [think")
    edit(lab.folder / "lab.yaml", "hints:\n  critic:", "hints:\n  old:")
    assert faults(lab)["order"] == [
        "critic stands behind generator, but its task 'critic' comes before",
        "lab.yaml lists the checks in another order than the code",
    ]
    edit(lab.folder / "lab.yaml", "  critic: [a]\n", "")
    edit(lab.folder / "lab.yaml", "budgets:", "  critic: [a]\nbudgets:")
    assert faults(lab)["order"][2:] == ["lab.yaml lists the hints in another order than the tasks"]


def test_a_starter_with_wrong_code_to_mend_fails_with_what_is_found_there(root):
    lab = write_kind(root, "code_only")
    solution = lab.folder / "_author/solution.py"
    text = solution.read_text()
    first, last = solution_regions(text)["backward"]
    lines = text.splitlines(keepends=True)
    right = [line.replace("+= upstream", "+= 1 * upstream") for line in lines[first - 1 : last]]
    for given, named in ((["        self.grad = 2.0\n"], False), (right, True)):
        wrong = [line.replace("        ", "        # | ", 1) for line in given]
        solution.write_text("".join([*lines[: first - 1], *wrong, *lines[first - 1 :]]))
        strip(Lab(root, lab.folder))
        assert ("starter-fails" in faults(lab)) is named


def test_a_last_hint_that_does_not_work_is_told_with_what_the_check_says(root):
    lab = write_kind(root, "control")
    edit(lab.folder / "lab.yaml", "return torch.tanh(self.policy(", "take torch.tanh(self.policy(")
    [message] = faults(lab)["hint-code"]
    assert message.startswith("the last hint of act, pasted, fails act: ")
    assert "SyntaxError: invalid syntax" in message


@pytest.mark.in_turns
@pytest.mark.slow
def test_every_broken_rule_of_training_is_named(root):
    """All in one lab, which is trained once."""
    lab = write_kind(root, "control")
    rules = {rule for rule in NEEDS if NEEDS[rule] == "training" and rule not in OF_FORMATS}
    for rule in rules:
        BREAKS[rule](lab.folder)
    found = faults(lab, ("text", "training"))
    assert rules <= set(found), found


def test_the_leaking_line_is_told_with_its_place(root):
    lab = write_kind(root, "control")
    edit(
        lab.folder / "README.md",
        "# control",
        "# control\n\n    place_B, speed_B = state_B2.unbind(dim=1)",
    )
    [message] = faults(lab)["leaks"]
    assert message.startswith("README.md:3 holds `place_B, speed_B")


def test_small_labs_are_asked_for_all_the_mutants_that_there_are(root):
    [diagnosis] = diagnose([write_kind(root, "code_only")], needs=MUTATION, jobs=2)
    assert diagnosis.sound
    assert generated_text(measures(diagnosis)) == "all 11/11 100%"


@pytest.mark.in_turns
def test_what_is_called_equivalent_must_survive_and_have_a_reason(root):
    lab = write_kind(root, "control")
    entry = [{"before": "a", "after": "b", "reason": ""}]
    (lab.folder / "_author/equivalent.yaml").write_text(json.dumps(entry))
    assert faults(lab, MUTATION)["equivalent"] == [
        "no reason is given for `a` → `b`",
        "no surviving mutant is `a` → `b`",
    ]


def test_what_a_lab_hands_out_finds_its_libraries_in_every_fork(root, monkeypatch):
    """Else each mutant would import them anew, which costs seconds where it is lightning."""
    lab = write_kind(root, "given")
    counts = "with open(__file__ + '.log', 'a') as log:\n    log.write('x')"
    write(root / "heavy.py", counts)
    monkeypatch.syspath_prepend(root)
    edit(lab.folder / "given.py", "def double", "import heavy\n\n\ndef double")
    diagnose([lab], needs=FAST, jobs=2)
    assert (root / "heavy.py.log").read_text() == "x"


def test_code_that_ends_the_process_is_caught(root):
    lab = write_kind(root, "control")
    edit(mutants(lab.folder), ', "self.', ', "exit() or self.')
    assert faults(lab) == {}


def test_every_rule_says_what_it_proves():
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.sentence and rule.remedy for rule in RULES)


def test_command_line(root, capsys):
    write_kind(root, "control")
    assert main(["doctor", "90", "--fast", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["labs"]
    assert (row["lab"], row["sound"]) == ("lab90_control", True)
    assert (row["mutants"], row["caught"], row["by_score"]) == (3, 2, 1)
    edit(root / "labs/lab90_control/lab.yaml", "[tiny]", "[]")
    assert main(["doctor", "90", "--fast"]) == 1
    out = capsys.readouterr().out
    assert "✗ lab.yaml names no topics" in out
    assert "→ name ids of labs/checklist.yaml" in out


def test_private_labs_doctor_and_list_like_the_rest(root, tmp_path_factory, monkeypatch):
    course = tmp_path_factory.mktemp("course")
    lab = write_kind(root, "given", "95", parent=course)
    monkeypatch.setenv("DLLAB_LABS", str(course))
    assert main(["doctor", "95", "--fast"]) == 0
    assert main(["list"]) == 0
    strip(Lab(root, lab.folder))
    assert main(["strip", "95", "--check"]) == 0


def test_labs_of_an_installed_package_join(root, tmp_path_factory, monkeypatch, capsys):
    site = tmp_path_factory.mktemp("site")
    (site / "exam_labs").mkdir()
    (site / "exam_labs" / "__init__.py").touch()
    info = site / "exam_labs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: exam-labs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dllab.labs]\nexam = exam_labs\n")
    write_kind(root, "control", "97", parent=site / "exam_labs")
    monkeypatch.syspath_prepend(site)
    assert main(["list"]) == 0
    assert "97" in capsys.readouterr().out


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_private_lab_is_graded(root, tmp_path_factory, monkeypatch):
    course = tmp_path_factory.mktemp("course")
    write_kind(root, "code_only", "96", parent=course)
    monkeypatch.setenv("DLLAB_LABS", str(course))
    assert main(["train", "96", "impl=reference"]) == 0
    assert main(["grade", "96"]) == 0
    assert run_dllab(root, "train", "96").returncode == 2  # without DLLAB_LABS it is not there


def test_what_leads_back_to_a_lab_is_a_circle(root):
    lab, other = write_kind(root, "control"), write_kind(root, "given", "91")
    edit(lab.folder / "lab.yaml", "topics:", "requires: ['91']\ntopics:")
    assert "requires" not in faults(lab)
    edit(other.folder / "lab.yaml", "topics:", "requires: ['90']\ntopics:")
    assert faults(lab)["requires"] == ["what it requires leads back to it"]


def test_numbers_of_labs_may_be_written_as_numbers(root):
    lab = write_kind(root, "control")
    edit(lab.folder / "lab.yaml", "topics:", "requires: [07, 08, 1, 12]\ntopics:")
    assert Lab(root, lab.folder).spec.requires == ("07", "08", "01", "12")


PAGES = {
    "`## Rubric` stands before `## Classic mistakes`": lambda text: text.replace(
        "## Rubric", "## R"
    ).replace("## Tasks", "## Rubric"),
    "`## You will be able to` has 2 items": lambda text: text.replace("- do it (`act`)\n", "", 1),
    "no check is named by `- do it (`axt`)`": lambda text: text.replace("(`act`)", "(`axt`)", 1),
    "fewer than two answers": lambda text: text.replace("<!-- value: two -->two<!-- end -->", "2"),
    "`## Questions` folds 2 answers away": lambda text: text.replace("<details></d", "</d", 1),
    "README.md has 1201 words beside its tables": lambda text: text + "word " * 1201,
    "README.md has 3 figures": lambda text: text + "![a](README.md)" * 3,
    "README.md links to figure.svg": lambda text: text + "[a](figure.svg)",
    "README.md has no section `## Idea`": lambda text: text.replace("## Idea", "## The idea"),
}


@pytest.mark.parametrize("said", PAGES)
def test_a_page_out_of_the_house_style_is_told_why(root, said):
    lab = write_kind(root, "control")
    page = lab.folder / "README.md"
    words = len(re.sub(r"<!--.*?-->", "", lab_page(lab).prose).split())
    page.write_text(PAGES[said](page.read_text()))
    said = said.replace("1201", str(1201 + words))
    assert any(said in message for message in faults(lab, ["text"])["readme"])


def test_a_page_of_the_former_style_is_held_to_that(root):
    lab = write_kind(root, "control")
    page = lab.folder / "README.md"
    tables = "".join(
        f"<!-- generated: {name} -->\n<!-- end -->\n\n" for name in ("tasks", "rubric")
    )
    sections = "".join(f"## {name}\n\n" for name in FORMER_SECTIONS if name != "The idea")
    page.write_text(f"# control\n\n{sections}{''.join(tables)}")
    lab_page(lab).renew()
    assert faults(lab, ["text"]) == {"readme": ["README.md has no section `## The idea`"]}


def test_a_draft_may_lack_its_runs(root):
    lab = write_kind(root, "control")
    edit(lab.folder / "lab.yaml", "topics:", "draft: true\ntopics:")
    BREAKS["experiments"](lab.folder)
    page = lab.folder / "README.md"
    page.write_text(page.read_text() + "\n![curves](curves.svg)\n")
    assert not {"experiments", "readme"} & set(faults(lab, ["text"]))
    edit(lab.folder / "lab.yaml", "draft: true\n", "")
    assert {"experiments", "readme"} <= set(faults(lab, ["text"]))


def test_a_draft_may_lack_texts_and_is_called_so(root, capsys):
    lab = write_kind(root, "control")
    edit(lab.folder / "README.md", "# control", "# WRITE: a title")
    assert faults(lab)["texts"] == ["README.md:1: a title"]
    edit(lab.folder / "lab.yaml", "topics:", "draft: true\ntopics:")
    assert main(["doctor", "90", "--fast"]) == 0
    out = capsys.readouterr().out
    assert "lab90_control is a draft. Still to write:\n    README.md:1: a title" in out
    assert main(["release", "copy", "--labs", "90"]) == 2
    assert "lab90_control is a draft" in capsys.readouterr().err


def test_what_nothing_generates_is_counted_as_written_by_hand(root):
    lab = write_kind(root, "control")
    before = cost_of(lab)
    lines = len((lab.folder / "lab.py").read_text().splitlines())
    assert before.lines - before.by_hand > lines
    with (lab.folder / "lab.py").open("a") as file:
        file.write("# more\n")
    edit(lab.folder / "lab.yaml", "    slack:", "    reserved: 0.9\n    slack:")
    edit(lab.folder / "README.md", "# control", "# control\n\nOne line.")
    after = cost_of(lab)
    assert (after.files, after.by_hand) == (before.files, before.by_hand + 2)
