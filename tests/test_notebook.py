"""`dllab notebook`: a valid notebook that runs from top to bottom, finished or not."""

import json
import os
import re
from pathlib import Path

import nbformat
import pytest
from environments import brought_by, build_wheel, environment
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

from dllab.authoring.packaged import pack
from dllab.cli import main
from dllab.lab.find import find_lab

REPO = Path(__file__).resolve().parent.parent


def executed(path: Path, kernel: str = "python3") -> str:
    """Everything that the cells of a notebook put out, run by a real kernel."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name=kernel).execute(cwd=path.parent)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert [output for output in outputs if output.output_type == "error"] == []
    texts = (o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)
    kinds = " ".join(kind for o in outputs for kind in o.get("data", {}))
    return "\n".join(texts) + kinds


@pytest.mark.in_turns
@pytest.mark.slow
def test_a_finished_lab_runs_from_top_to_bottom(clone, capsys):
    lab = find_lab(clone, "03")
    lab.code.write_bytes(lab.solution.read_bytes())
    assert main(["notebook", "03", "-o", "mine.ipynb"]) == 0
    assert "mine.ipynb" in capsys.readouterr().out
    shown = executed(clone / "mine.ipynb")
    assert "✗" not in shown
    assert "✓ How a gradient fades" in shown
    assert "image/png" in shown
    (folder,) = (clone / "runs").glob("lab03_rnn/*")
    assert json.loads((folder / "run.json").read_text())["impl"] == "mine"


@pytest.mark.in_turns
@pytest.mark.slow
def test_an_unfinished_lab_is_told_its_next_step_and_runs_on(clone):
    lab = find_lab(clone, "01")
    lab.code.write_text(lab.code.read_text() + "\n# begun\n")
    assert main(["notebook", "01"]) == 0
    shown = executed(clone / "lab01_mlp.ipynb")
    assert "✗ He initialisation" in shown
    assert "next TODO (12 left): he-init" in shown


def test_a_notebook_with_notes_is_kept(clone, capsys):
    (clone / "lab01_mlp.ipynb").write_text("notes")
    assert main(["notebook", "01"]) == 2
    assert "--force" in capsys.readouterr().err
    assert (clone / "lab01_mlp.ipynb").read_text() == "notes"
    assert main(["notebook", "01", "--force"]) == 0


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kernel of an environment without dllab, but with all else that pip would bring."""
    pack(REPO, tmp_path / "course.zip")
    wheel = build_wheel(tmp_path / "course.zip", tmp_path / "built")
    names = (brought_by("dllab[learn]") | brought_by("ipykernel") | {"pip"}) - {"dllab"}
    python = environment(tmp_path / "python", names)
    kernel = tmp_path / "jupyter/kernels/elsewhere/kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    known = os.environ.get("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_FIND_LINKS", f"{wheel.parent} {known}".strip())
    monkeypatch.chdir(REPO)
    return kernel.parent.name


@pytest.mark.in_turns
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", ["01", "03", "07"])
def test_a_self_starting_notebook_goes_from_an_install_to_a_submission(
    number: str, elsewhere: str, tmp_path: Path
) -> None:
    lab = find_lab(REPO, number)
    path = tmp_path / "alone" / "lab.ipynb"
    path.parent.mkdir()
    fast = ["debug=fast"] if lab.spec.arms else []
    assert main(["notebook", number, "--colab", *fast, "-o", str(path)]) == 0
    notebook = nbformat.read(path, as_version=4)
    begun = next(i for i, cell in enumerate(notebook.cells) if "dllab init" in cell.source)
    written = f"labs/{lab.id}/lab.py"
    done = f"import shutil\nshutil.copyfile({str(lab.solution)!r}, {written!r})"
    notebook.cells.insert(begun + 1, new_code_cell(done))  # a learner has written it
    nbformat.write(notebook, path)

    shown = executed(path, elsewhere)
    assert not re.search("^✗", shown, re.MULTILINE), "a cell's check; so short a run scores nothing"
    assert shown.count("✓") >= len(lab.spec.visible)
    assert ("image/png" in shown) == bool(lab.spec.arms)
    (course,) = path.parent.glob("dllab-course")
    (submission,) = course.glob(f"runs/{lab.id}/*/submission.zip")
    assert str(submission) in shown.replace("\n", "")
    assert not (course / "labs" / lab.id / "_author").exists()


def test_what_only_a_self_starting_notebook_takes_is_refused_elsewhere(clone, capsys):
    assert main(["notebook", "01", "debug=fast"]) == 2
    assert "--colab" in capsys.readouterr().err
    assert main(["notebook", "01", "--colab", "model.depth=3"]) == 2
    assert "model.depth" in capsys.readouterr().err
    words = ["--install", "dllab[learn] @ file:///x.whl", "model.hidden=[64, 32]"]
    assert main(["notebook", "01", "--colab", *words]) == 0
    code = (clone / "lab01_mlp.ipynb").read_text()
    assert "%pip install --quiet 'dllab[learn] @ file:///x.whl'" in code
    assert "'model.hidden=[64, 32]'" in code
