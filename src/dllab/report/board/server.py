"""The board's web server: standard library, loopback only, reads and never writes.

It answers only to the names of this machine (a page elsewhere cannot rebind its own name to it),
and its pages may load nothing from elsewhere and run no script but the board's own.
"""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dllab.errors import LabError
from dllab.report.board.content import Board

HOST = "127.0.0.1"
NAMES = {"127.0.0.1", "localhost", "[::1]"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
)
_HERE = Path(__file__).parent
_FILES = {
    "/": (_HERE / "board.html", "text/html"),
    "/board.css": (_HERE / "board.css", "text/css"),
    "/report.css": (_HERE.parent / "report.css", "text/css"),
    "/board.js": (_HERE / "board.js", "text/javascript"),
    "/chart.js": (_HERE / "chart.js", "text/javascript"),
}


class BoardServer(ThreadingHTTPServer):
    """Serves one project's board; `url` says where. Port 0 takes any free one."""

    daemon_threads = True

    def __init__(self, root: Path, port: int = 0) -> None:
        self.board = Board(root)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise LabError(
                f"port {port} cannot be used: {error.strerror}", "--port 0 takes any free one"
            ) from None

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: BoardServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """A file of the page, a question of it, or a run's report."""
        if self.headers.get("Host", "").rpartition(":")[0] not in NAMES:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"this board is for its own machine")
            return
        url = urlsplit(self.path)
        try:
            self._answer(url.path, parse_qs(url.query).get("run", []))
        except LabError as error:
            answer = {"error": error.what, "hint": error.hint}
            self._send_json(answer, HTTPStatus.NOT_FOUND)

    def _answer(self, path: str, ids: list[str]) -> None:
        board = self.server.board
        match path:
            case "/api/runs":
                self._send_json(board.runs())
            case "/api/curves":
                self._send_json(board.curves(ids))
            case "/api/compare":
                self._send_json(board.compare(ids))
            case _ if path in _FILES:
                file, kind = _FILES[path]
                self._send(HTTPStatus.OK, kind, file.read_bytes())
            case _ if path.startswith("/report/"):
                report = board.report(path.removeprefix("/report/"))
                self._send(HTTPStatus.OK, "text/html", report.read_bytes())
            case _:
                raise LabError(f"there is no page {path}", "the board is at /")

    def _send_json(self, value: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        text = json.dumps(value, separators=(",", ":"))
        self._send(status, "application/json", text.encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are not logged."""
