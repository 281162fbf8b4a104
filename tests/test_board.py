"""`dllab board`: what it answers, to whom, and the page itself in Chromium."""

import json
import math
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser, Tab

from dllab.report.board.content import POINTS, Board
from dllab.report.board.server import BoardServer
from dllab.rundir.run import RunFolder

in_chromium = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed: see .ci/run")
LABS = ("lab01_mlp", "lab03_rnn")


def write_run(root: Path, number: int, **changes) -> RunFolder:
    """A whole run folder: config, card, curve, result and report; the number sets its values."""
    lab = LABS[number % len(LABS)]
    day, minute = divmod(number, 1440)
    name = f"202610{day + 1:02}T{minute // 60:02}{minute % 60:02}00Z-{number:06x}"
    run = RunFolder(root / "runs" / lab / name)
    arm = run.arm("main")
    arm.path.mkdir(parents=True)
    lr = 10.0 ** -(number % 3 + 1)
    config = {"lab": lab, "arms": {"main": {"model": {"lr": lr, "width": 64}}}}
    run.config.write_text(json.dumps(config))  # as YAML as any, and written in no time
    run.card.write_text(json.dumps({"impl": "mine", "cost": {"wall_s": 10 + number}}))
    accuracy = 0.5 + number % 40 / 100
    result = {
        "schema": "dllab.result/1",
        "submission": {"lab": lab},
        "verdict": "graded",
        "impl": "mine",
        "passed": accuracy > 0.7,
        "score": 100 * accuracy,
        "max_score": 100,
        "metrics": [{"name": "accuracy", "value": accuracy}],
    }
    run.result.write_text(json.dumps({**result, **changes}))
    points = [{"step": s, "train/loss": 2 * math.exp(-lr * s) + 0.2} for s in range(0, 50, 5)]
    points += [{"step": s, "val/loss": 0.4, "val/accuracy": accuracy} for s in (25, 50)]
    arm.curve.write_text("".join(f"{json.dumps(point)}\n" for point in points))
    run.report.write_text(f"<title>{name}</title>")
    return run


@pytest.fixture
def board(clone) -> Iterator[BoardServer]:
    """Twelve runs of two labs behind a server of their own."""
    for number in range(12):
        write_run(clone, number)
    with BoardServer(clone) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def get(server: BoardServer, path: str, host: str = "") -> tuple[int, str]:
    headers = {"Host": host} if host else {}
    request = urllib.request.Request(server.url.rstrip("/") + path, headers=headers)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def ids(root: Path, *numbers: int) -> list[str]:
    names = {run.name[-6:]: run.name for run in (root / "runs").glob("*/*")}
    return [names[f"{number:06x}"] for number in numbers]


def of(*names: str) -> str:
    return "&".join(f"run={name}" for name in names)


# what it answers


def test_every_run_is_a_row_newest_first(board, clone):
    status, text = get(board, "/api/runs")
    answer = json.loads(text)
    rows = [dict(zip(answer["columns"], row, strict=True)) for row in answer["rows"]]
    assert status == 200
    assert [row["id"] for row in rows] == ids(clone, *reversed(range(12)))
    assert rows[0]["report"] is True
    assert rows[0]["value"] == pytest.approx(0.61)
    assert answer["labs"]["lab01_mlp"] == "Multilayer perceptron"
    assert str(clone) not in text, "no path leaves the machine, not even to a neighbour's tab"


def test_curves_come_by_run_arm_and_name(board, clone):
    first, second = ids(clone, 0, 5)
    answer = json.loads(get(board, f"/api/curves?{of(first, second)}")[1])
    steps, values = answer[second]["main"]["val/accuracy"]
    assert steps == [25, 50]
    assert values == [0.55, 0.55]
    assert list(answer) == [first, second]


def test_a_long_curve_is_thinned_but_keeps_its_peaks_and_gaps(clone):
    run = write_run(clone, 1)
    values = [1.0] * 20_000
    values[7_777], values[0] = 9.0, math.nan
    lines = (json.dumps({"step": step, "loss": value}) for step, value in enumerate(values))
    run.arm("main").curve.write_text("\n".join(lines))
    steps, thinned = Board(clone).curves([run.id])[run.id]["main"]["loss"]
    assert len(steps) <= 1.1 * POINTS
    assert thinned[steps.index(7_777)] == 9.0
    assert json.dumps(thinned).find("NaN") == -1


def test_only_what_differs_is_compared(board, clone):
    first, second = ids(clone, 0, 4)
    answer = json.loads(get(board, f"/api/compare?{of(first, second)}")[1])
    assert answer["config"] == [{"key": "arms.main.model.lr", "values": [0.1, 0.01]}]
    score = next(row for row in answer["outcome"] if row["key"] == "score")
    assert score["values"] == [50.0, 54.0]


def test_the_report_is_a_link_away(board, clone):
    (name,) = ids(clone, 3)
    assert get(board, f"/report/{name}") == (200, f"<title>{name}</title>")


@pytest.mark.parametrize(
    "path",
    ["/report/../../pyproject.toml", "/report/%2e%2e/x", "/etc/passwd", "/api/curves?run=../lab01"],
)
def test_nothing_else_of_the_machine_is_served(board, path):
    status, text = get(board, path)
    assert status == 404
    assert json.loads(text)["error"]


def test_a_page_under_another_name_is_refused(board):
    assert get(board, "/api/runs", host="evil.example:80")[0] == 403
    assert get(board, "/api/runs", host=f"localhost:{board.server_port}")[0] == 200


def test_it_listens_on_the_loopback_only_and_loads_nothing_from_elsewhere(board):
    assert board.server_address[0] == "127.0.0.1"
    for path in ("/", "/board.css", "/board.js", "/chart.js", "/report.css"):
        status, text = get(board, path)
        assert status == 200
        assert re.findall(r"(?:https?:)?//(?!www\.w3\.org/2000/svg)[a-z]+\.", text) == []


def test_a_port_in_use_is_a_clear_error(board, clone):
    command = [sys.executable, "-m", "dllab", "board", "--port", str(board.server_port)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--port 0" in result.stderr


# the page


ROWS = "#runs tbody tr"
SHOWN = f"[...document.querySelectorAll('{ROWS}')].map((row) => row.dataset.run)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


def choose(tab: Tab, name: str) -> None:
    tab.click(f'tr[data-run="{name}"] input')


@in_chromium
@pytest.mark.slow
def test_the_page_lists_filters_and_sorts(board, clone, browser):
    tab = browser.open(board.url)
    tab.until("document.querySelector('#count')?.innerText == '12 runs'")
    assert tab.js(SHOWN) == ids(clone, *reversed(range(12)))

    tab.write("#query", "recurrent")
    assert tab.texts("#count") == ["6 of 12 runs"]
    assert tab.js(SHOWN) == ids(clone, 11, 9, 7, 5, 3, 1)
    for direction in (-1, 1):  # a click on a number's head puts the highest first
        tab.click("#runs thead th:nth-child(6) button")
        tab.until("document.querySelector('th[aria-sort] button')?.innerText.startsWith('Metric')")
        assert tab.js(SHOWN) == ids(clone, *[1, 3, 5, 7, 9, 11][::direction])

    assert "query=recurrent" in tab.js("location.hash")
    again = browser.open(board.url + tab.js("location.hash"))
    again.until("document.querySelector('#count')?.innerText == '6 of 12 runs'")
    assert again.js(SHOWN) == ids(clone, 1, 3, 5, 7, 9, 11)

    tab.write("#query", " nonsense")
    tab.until("document.querySelector('#empty')?.innerText == 'No run fits the filter.'")


@in_chromium
@pytest.mark.slow
@pytest.mark.parametrize("width", [1500, 400])
def test_a12_the_page_says_what_each_run_tried(board, clone, browser, width):
    run = write_run(clone, 20)  # of accuracy 0.7: not passed
    words = ["arm=main", f"model.hidden=[{','.join(['256'] * 30)}]"]
    run.card.write_text(json.dumps({"impl": "mine", "overrides": words}))
    tab = browser.open(board.url, (width, 900))
    tab.until("document.querySelector('#count')?.innerText == '13 runs'")
    assert tab.texts(f'tr[data-run="{run.id}"] .tried') == [" ".join(words)]
    assert tab.texts(f'tr[data-run="{run.id}"] .verdict') == ["experiment"]
    assert len(tab.texts(".tried")) == 1
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    tab.write("#query", "model.hidden")
    assert tab.js(SHOWN) == [run.id]


@in_chromium
@pytest.mark.slow
def test_the_page_lays_chosen_runs_over_each_other(board, clone, browser, tmp_path):
    first, second, third = ids(clone, 0, 4, 8)
    tab = browser.open(board.url)
    tab.until(f"!!document.querySelector('{ROWS}')")
    assert tab.texts(".nudge") == [
        "Choose runs to lay their curves over each other and see what differs."
    ]
    for name in (first, second, third):
        choose(tab, name)
    tab.until("document.querySelectorAll('.chart path').length == 9")
    assert tab.texts("#charts figcaption") == ["Loss", "Accuracy"]
    assert tab.texts("#tables h2") == ["Outcome", "What differs"]
    differs = tab.js("[...document.querySelectorAll('#tables table')].at(-1).innerText").split()
    assert differs == ["arms.main.model.lr", "0.1", "0.01", "0.001"]
    tab.picture(tmp_path / "board-chosen.png")

    tab.click(f'button[aria-label="remove {second}"]')
    tab.until("document.querySelectorAll('.chart path').length == 6")
    assert tab.js("new URLSearchParams(location.hash.slice(1)).getAll('run')") == [first, third]
    tab.click(f'tr[data-run="{third}"] a')
    tab.until(f"document.title == '{third}'")


@in_chromium
@pytest.mark.in_turns
@pytest.mark.slow
def test_ten_thousand_runs_are_listed_a_page_at_a_time(clone, browser):
    for number in range(10_000):
        write_run(clone, number)
    with BoardServer(clone) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        tab = browser.open(server.url)
        tab.until("document.querySelector('#count')?.innerText == '10,000 runs'")
        shown = len(tab.js(SHOWN))
        assert 100 <= shown < 1000
        tab.js("scrollTo(0, document.body.scrollHeight)")
        tab.until(f"document.querySelectorAll('{ROWS}').length > {shown}")
        server.shutdown()
    shutil.rmtree(clone / "runs")  # pytest would keep the fifty thousand files


@in_chromium
@pytest.mark.slow
@pytest.mark.parametrize("look", [(1500, 950, False), (1500, 950, True), (400, 900, False)])
def test_nothing_stands_out_of_the_page(board, clone, browser, tmp_path, look):
    """On a desk and on a phone, light and dark; the pictures are for a person to look at."""
    *size, dark = look
    tab = browser.open(f"{board.url}#{of(*ids(clone, 0, 4))}", size, dark=dark)
    tab.until("document.querySelectorAll('.chart path').length == 6")
    assert tab.js("document.documentElement.scrollWidth <= innerWidth")
    ink, paper = (tab.js(f"getComputedStyle(document.body).{n}") for n in ("color", "background"))
    assert (brightness(ink) > brightness(paper)) == dark
    picture = tmp_path / f"board-{size[0]}-{'dark' if dark else 'light'}.png"
    tab.picture(picture)
    print(f"picture: {picture}")


def brightness(colour: str) -> int:
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3])
