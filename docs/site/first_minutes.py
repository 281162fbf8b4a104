"""Draws docs/first-minutes.svg from the recorded hour: the first command, then a screen of `watch`.

python docs/site/first_minutes.py
"""

import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

DOCS = Path(__file__).resolve().parents[1]
SCREEN = "─" * 100
COLOURS = {
    r"^\$ .*": "bold",
    r"✓ [^○·]*": "green",
    r"[○·]": "bright_black",
    r"^→.*": "yellow",
    r"^TODO [\w-]+": "yellow",
    r"━+╸": "green",
}
# Fonts of elsewhere would be fetched by whoever looks at the picture.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def draw(session: str) -> str:
    """The picture of a session's beginning: its first command, and the first check that passes."""
    first, *screens = session.split(f"{SCREEN}\n")
    done = next(screen for screen in screens if re.search(r" 1 of \d+ checks pass", screen))
    command = first.partition("\n$ dllab watch")[0]
    shown = Text(f"{command}\n$ dllab watch 01\n{done.rstrip()}")
    for pattern, style in COLOURS.items():
        shown.highlight_regex(re.compile(pattern, re.MULTILINE), style)
    with Path("/dev/null").open("w") as nowhere:
        console = Console(file=nowhere, record=True, width=100, force_terminal=True)
        console.print(shown)
        svg = console.export_svg(
            title="the first minutes of lab 01",
            theme=DIMMED_MONOKAI,
            code_format=FORMAT,
            unique_id="first-minutes",
        )
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).rstrip() + "\n"


if __name__ == "__main__":
    picture = draw((DOCS / "first-hour.txt").read_text(encoding="utf-8"))
    (DOCS / "first-minutes.svg").write_text(picture, encoding="utf-8")
