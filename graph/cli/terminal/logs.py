"""Configure which logs reach the terminal."""

import logging
import sys
import warnings

from .log_line import LogLine
from .log_writer import LogWriter


def set_logs(*, verbose: bool) -> None:
    """Keep logs and library warnings off the terminal unless requested."""
    if verbose:
        _write(logging.StreamHandler(), logging.INFO, logging.DEBUG)
        return
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def set_server_logs(*, verbose: bool = False, quiet: bool = False) -> None:
    """Write a server's warnings and errors to stderr, for its operator."""
    level = logging.ERROR if quiet and not verbose else logging.INFO if verbose else logging.WARNING
    _write(LogWriter(sys.stderr), level, logging.DEBUG if verbose else level)


def _write(handler: logging.Handler, level: int, ours: int) -> None:
    from ....nodes.turn.turn_facts import (
        turn_facts,
    )  # A late import: it loads LangGraph, and `--help` must be quick.

    handler.setFormatter(LogLine(turn_facts))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, logging.NullHandler) or isinstance(old.formatter, LogLine):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("voicegraph").setLevel(ours)
