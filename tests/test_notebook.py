"""`dllab notebook`: a valid notebook that runs from top to bottom, finished or not."""

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from dllab.cli import main
from dllab.lab.find import find_lab


def executed(path: Path) -> str:
    """Everything that the cells of a notebook put out, run by a real kernel."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=path.parent)
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
