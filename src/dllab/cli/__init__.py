"""The command line. Only this layer turns errors into text and exit codes."""

from dllab.cli.main import main

__all__ = ["main"]
