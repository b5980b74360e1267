"""`voicegraph memory`: inspect and manage an agent's memory."""

import typer

from .archive import archive
from .attach import attach, detach
from .blocks import history, redo, set_block, show, undo
from .consolidate import consolidate
from .embed import embed
from .files import export, forget, import_file
from .search import search

commands = typer.Typer(help="Show, edit, search, forget, export and import an agent's memory.")

commands.command("show", epilog="Example: voicegraph memory show --agent waiter")(show)
commands.command("set", epilog="Example: voicegraph memory set human 'The user is called Ada.'")(set_block)
commands.command("history", epilog="Example: voicegraph memory history human --limit 5")(history)
commands.command("undo", epilog="Example: voicegraph memory undo human")(undo)
commands.command("redo", epilog="Example: voicegraph memory redo human")(redo)
commands.command("attach", epilog="Example: voicegraph memory attach human --from nina --agent waiter")(
    attach
)
commands.command("detach", epilog="Example: voicegraph memory detach human --agent waiter")(detach)
commands.command("search", epilog="Example: voicegraph memory search 'train to Turin' --limit 3")(search)
commands.command("archive", epilog="Example: voicegraph memory archive 'Ada eats no nuts.' --tag health")(
    archive
)
commands.command("consolidate", epilog="Example: voicegraph memory consolidate --model openai:gpt-4.1-mini")(
    consolidate
)
commands.command("embed", epilog="Example: voicegraph memory embed --embedder openai:text-embedding-3-small")(
    embed
)
commands.command("forget", epilog="Example: voicegraph memory forget thread call-42 --yes")(forget)
commands.command("export", epilog="Example: voicegraph memory export --agent waiter --out waiter.json")(
    export
)
commands.command("import", epilog="Example: voicegraph memory import waiter.json")(import_file)
