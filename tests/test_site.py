"""The site: it builds, its links lead somewhere, it fetches nothing, and everybody can read it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

from dllab.lab.find import finished_labs

REPO = Path(__file__).resolve().parent.parent
UV = str(Path(sys.executable).with_name("uv"))
# What reads the pages for people who cannot see them or use a mouse.
AXE = "import axe_playwright_python as a; print(a.__path__[0] + '/axe.min.js')"
READ = ("index.html", "labs/index.html", "labs/lab03_rnn/index.html", "reference/commands.html")
pytestmark = [pytest.mark.in_turns, pytest.mark.slow]


def run(*words: str | Path, folder: Path) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gathered and built with what the Makefile names."""
    out = tmp_path_factory.mktemp("docs")
    run(sys.executable, REPO / "docs/site/gather.py", out, folder=REPO)
    recipe = (REPO / "Makefile").read_text().partition("\ndocs: ")[2].partition("\n\n")[0]
    tools = re.findall(r"'([\w-]+==[\d.]+)'", recipe)
    zensical = [UV, "tool", "run", "--from", tools[0], "--with", tools[1], "zensical"]
    run(*zensical, "build", "--strict", folder=out)
    return out / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def test_every_lab_and_every_page_is_there(site: Path) -> None:
    gallery = (site / "labs/index.html").read_text()
    for lab in finished_labs(REPO):
        assert lab.spec.title in unescape(gallery)
        assert (site / "labs" / lab.id / "index.html").is_file()
    for page in (REPO / "docs").glob("*.md"):
        assert (site / "docs" / page.with_suffix(".html").name).is_file()
    assert "dllab train" in (site / "reference/commands.html").read_text()
    assert "given" in (site / "reference/checks.html").read_text()


def test_links_lead_somewhere_and_nothing_is_fetched(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text()
        assert not re.findall(r'<(?:script|img|iframe)[^>]*src="https?:', text), page
        assert not re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="https?:', text), page
        if page.name == "404.html":  # served from anywhere, so its links are absolute
            continue
        for link in re.findall(r'(?:href|src)="([^"#:?&]+)[#?"]', text):
            assert (page.parent / unescape(link)).exists(), (page, link)


def test_nothing_of_a_solution_is_shown(site: Path) -> None:
    assert not list(site.rglob("_author"))
    assert not list(site.rglob("*.py"))


@pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: see .ci/run")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("page", READ)
def test_everybody_can_read_it(site: Path, browser: Browser, page: str, dark: bool) -> None:
    """No serious finding of axe, on a phone too; nothing is wider than the phone."""
    tool = [UV, "tool", "run", "--with", "axe-playwright-python==0.1.8", "python"]
    axe = Path(run(*tool, "-c", AXE, folder=site).strip())
    tab = browser.open((site / page).as_uri(), (390, 844), dark=dark)
    tab.until("document.readyState === 'complete'")
    assert tab.js("document.documentElement.scrollWidth") <= 390
    tab.js(axe.read_text() + "; 0")
    found = tab.js(
        "axe.run().then(r => r.violations.filter(v => ['serious','critical'].includes(v.impact))"
        ".map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html).join(' | ')))"
    )
    assert found == []
