"""The server as a process of its own.

`python -m openai_server --port 0 --script FILE.json [--requests LOG.jsonl]`, with the folder `tests` on
the path.
"""

import argparse
import sys
import threading
from pathlib import Path

from .loading import Script, script_from_json
from .server import OpenAIServer


def main() -> None:
    """Print the port on the first line and serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="openai_server", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--script", type=Path, help="the replies as JSON; without it each request gets a 500")
    parser.add_argument(
        "--requests", type=Path, help="append each request and its end to this file, as JSON lines"
    )
    options = parser.parse_args()
    script = script_from_json(options.script.read_text(encoding="utf-8")) if options.script else Script()
    server = OpenAIServer(
        *script.replies,
        default=script.default,
        require_key=script.require_key,
        models=script.models,
        strict=script.strict,
        port=options.port,
        log=options.requests,
    )
    with server:
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
