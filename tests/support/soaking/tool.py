"""The tool of the soak: it notes each order that it places."""

import os
from pathlib import Path

from voicegraph.nodes import voice_tool


@voice_tool(side_effects=True)
def place(order: str) -> str:
    """Place an order."""
    with Path(os.environ["SOAK_ORDERS"]).open("a") as file:
        file.write(f"{order}\n")
    return f"{order} is placed."
