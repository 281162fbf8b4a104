"""The site: the documentation, every lab's page, a gallery, the checklist and a reference.

Run as a program, it gathers the pages below a folder, for zensical to build there (`make docs`).
Pages are copied to where they lie in the project, so their links lead where they did; a link to
what is not part of the site (a source file, say) becomes its words alone.
"""

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from dllab.checklist.progress import Progress
from dllab.checklist.standing import take_stock
from dllab.checklist.topics import load_checklist
from dllab.cli.main import COMMANDS, main
from dllab.errors import LabError
from dllab.lab.find import Lab, finished_labs
from dllab.lab.project import find_root
from dllab.lab.spec import LEVELS
from dllab.report.progress_map import render_map

PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/results.md", "bench/gpu/results.md")
ROOMS = (
    "checks",
    "checks.calls",
    "checks.tools",
    "checks.plays",
    "checks.dreams",
    "checks.timings",
    "data",
    "metrics",
)
_LINK = re.compile(r"(!?)\[([^\]\n]*)\]\((?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
_CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.DOTALL)


def gather(root: Path, out: Path) -> None:
    """Write the sources of the site into the folder `out`, which is made anew.

    Raises LabError when `out` holds what this did not write.
    """
    source = out / "pages"
    if out.exists() and any(out.iterdir()) and not source.is_dir():
        raise LabError(f"{out} holds something else", "name a new folder")
    shutil.rmtree(out, ignore_errors=True)
    labs = [lab for lab in finished_labs(root) if lab.folder.parent == root / "labs"]
    _copy_pages(root, labs, source)
    _write_templates(root, labs, out)
    _write_map(root, labs, source)


def _copy_pages(root: Path, labs: Sequence[Lab], source: Path) -> None:
    shutil.copytree(root / "docs", source / "docs", ignore=shutil.ignore_patterns("site"))
    for page in PAGES:
        if (root / page).is_file():
            (source / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / page, source / page)
    for lab in labs:
        ignore = shutil.ignore_patterns("__pycache__", "*.py", "*.yaml", "conf", "_author", ".*")
        shutil.copytree(lab.folder, source / "labs" / lab.id, ignore=ignore)
    (source / "README.md").rename(source / "index.md")
    for page in source.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(_with_links(text, page, source), encoding="utf-8")


def _with_links(text: str, page: Path, source: Path) -> str:
    """With links that lead somewhere in the site; code stays as it is."""
    parts = _CODE.split(text)
    return "".join(
        part if part.startswith("`") else _LINK.sub(lambda link: _linked(link, page, source), part)
        for part in parts
    )


def _linked(link: re.Match[str], page: Path, source: Path) -> str:
    picture, words, target, place = link.groups()
    target = "index.md" if (page.parent / target).resolve() == source / "README.md" else target
    if page.parent != source and target == "index.md":
        target = "../" * len(page.parent.relative_to(source).parts) + target
    if (page.parent / target).exists():
        return f"{picture}[{words}]({target}{place or ''})"
    return words


def _write_templates(root: Path, labs: Sequence[Lab], out: Path) -> None:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - Markdown, of texts that are ours
    )
    topics = {topic.id: topic.title for topic in load_checklist(root).topics.values()}
    said = {
        "package": root / "src",
        "levels": {level: [lab for lab in labs if lab.spec.level == level] for level in LEVELS},
        "topics": topics,
        "pictures": {lab.id: _picture(lab) for lab in labs},
        "labs": labs,
        "rooms": ROOMS,
        "commands": dict(_commands()),
        "schemas": dict(_schemas(root)),
    }
    for room in ROOMS:
        text = f"# dllab.{room}\n\n::: dllab.{room}\n"
        (out / "pages" / "reference").mkdir(parents=True, exist_ok=True)
        (out / "pages" / "reference" / f"{room}.md").write_text(text, encoding="utf-8")
    for name in templates.list_templates():
        path = out / ("" if name == "zensical.toml.j2" else "pages") / name.removesuffix(".j2")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(templates.get_template(name).render(said), encoding="utf-8")


def _picture(lab: Lab) -> str:
    """The first figure of a lab's page, as seen from the gallery; empty where it has none."""
    text = (lab.folder / "README.md").read_text(encoding="utf-8")
    figures = [link for link in _LINK.finditer(text) if link[1]]
    return f"![{figures[0][2]}]({lab.id}/{figures[0][3]})" if figures else ""


def _commands() -> Iterator[tuple[str, str]]:
    """Each command with its help text, as a terminal of 80 columns shows it."""
    os.environ["COLUMNS"] = "80"
    for command in (name.replace("_", "-") for name in COMMANDS):
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
            main([command, "--help"])
        yield command, said.getvalue()


def _schemas(root: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Each schema with its file's name."""
    for path in sorted((root / "docs" / "schemas").glob("*.json")):
        yield path.name, json.loads(path.read_text(encoding="utf-8"))


def _write_map(root: Path, labs: Sequence[Lab], source: Path) -> None:
    """The checklist as a wheel, as one sees it who begins."""
    page = render_map(take_stock(load_checklist(root), labs, Progress(source / "progress.json")))
    (source / "wheel.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    gather(find_root(), Path(sys.argv[1]))
