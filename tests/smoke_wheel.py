"""Try an installed voicegraph: `make wheel-test` runs it in an environment that holds the wheel alone."""

import asyncio
import importlib
import sqlite3
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

from langchain_core.runnables import RunnableConfig


def check_packages() -> None:
    """The three packages come from the wheel, with their type marker, and take no generic name."""
    installed = Path(sysconfig.get_paths()["purelib"])
    for name in ("graph", "nodes", "state"):
        module = importlib.import_module(f"voicegraph.{name}")
        assert Path(str(module.__file__)) == installed / "voicegraph" / name / "__init__.py", module.__file__
        assert (installed / "voicegraph" / name / "py.typed").is_file(), name
        assert not (installed / name).exists(), f"{name} landed beside the packages"


def check_command(folder: Path) -> None:
    """The command starts, and brings a new database up to date with the wheel's own migrations."""
    command = Path(sys.executable).parent / "voicegraph"
    shown = subprocess.run([command, "--help"], check=True, capture_output=True, text=True).stdout
    assert "chat" in shown, shown
    url = f"sqlite:///{folder}/migrated.db"
    subprocess.run([command, "db", "upgrade", "--db", url], check=True, capture_output=True, text=True)
    connection = sqlite3.connect(folder / "migrated.db")
    try:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone()
    finally:
        connection.close()


def check_extras() -> None:
    """Without the extra `serve` the server says what to install."""
    from voicegraph.state.errors import MissingExtra

    try:
        importlib.import_module("voicegraph.graph.server")
    except MissingExtra as error:
        assert "voicegraph[serve]" in str(error), error
    else:
        raise AssertionError("the server was imported without its framework")


async def check_turn(folder: Path) -> None:
    """One turn with the scripted model answers and is remembered."""
    from voicegraph.graph import build_graph, open_resources, stream_turn
    from voicegraph.nodes.testing import ScriptedChatModel

    model = ScriptedChatModel(["Hello, Ada."])
    call: RunnableConfig = {"configurable": {"thread_id": "smoke"}}
    async with open_resources(f"sqlite:///{folder}/turn.db", model=model) as resources:
        graph = build_graph(resources)
        spoken = [
            event.content async for event in stream_turn(graph, "I'm Ada.", call) if event.type == "speech"
        ]
        window = (await graph.aget_state(call)).values["messages"]
    assert "".join(spoken).strip() == "Hello, Ada.", spoken
    assert [message.text for message in window] == ["I'm Ada.", "Hello, Ada."], window
    model.assert_done()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        check_packages()
        check_extras()
        check_command(Path(folder))
        asyncio.run(check_turn(Path(folder)))
    print(f"wheel: works, installed in {sys.prefix}")


if __name__ == "__main__":
    main()
