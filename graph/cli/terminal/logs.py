"""What of the logs comes to the terminal."""

import logging
import sys
import warnings

from .log_line import LogLine
from .log_writer import LogWriter


def set_logs(*, verbose: bool) -> None:
    """Keep logs and warnings of libraries off the terminal, unless they are asked for."""
    if verbose:
        _write(logging.StreamHandler(), logging.INFO, logging.DEBUG)
        return
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


def set_server_logs(*, verbose: bool = False, quiet: bool = False) -> None:
    """Write warnings and errors to the error stream: nobody talks there, and somebody must see them."""
    level = logging.ERROR if quiet and not verbose else logging.INFO if verbose else logging.WARNING
    _write(LogWriter(sys.stderr), level, logging.DEBUG if verbose else level)


def _write(handler: logging.Handler, level: int, ours: int) -> None:
    from ....nodes.turn.turn_facts import turn_facts  # It imports LangGraph: help must be quick.

    handler.setFormatter(LogLine(turn_facts))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old, logging.NullHandler) or isinstance(old.formatter, LogLine):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.getLogger("voicegraph").setLevel(ours)
