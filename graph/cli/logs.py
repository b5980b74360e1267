"""What of the logs comes to the terminal."""

import logging
import sys
import warnings


def set_logs(*, verbose: bool) -> None:
    """Keep logs and warnings of libraries off the terminal, unless they are asked for."""
    if verbose:
        logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO)
        logging.getLogger("voicegraph").setLevel(logging.DEBUG)
        return
    logging.getLogger().addHandler(logging.NullHandler())
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
