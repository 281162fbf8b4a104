"""`dllab board`: all runs in the browser."""

import argparse

from dllab.errors import LabError

PORT = 8089


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "board",
        help="show all runs in the browser: list, filter, curves, comparison",
        description="Serve all runs of this project as a small web page, on this machine only, "
        "until Ctrl-C.",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"default {PORT}; 0 takes any free one"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until interrupted; exit code 0."""
    from dllab.lab.project import find_root
    from dllab.report.board.server import BoardServer

    root = find_root()
    if not 0 <= args.port < 1 << 16:
        raise LabError(f"--port {args.port} is no port", "say one from 1024 to 65535, or 0")
    with BoardServer(root, args.port) as server:
        print(f"the board is at {server.url} (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
