"""Run the notebooks and keep in them what a reader of a code-hosting site must see: the pictures.

A cell with the tag `picture` keeps its output; every other one is kept without. The tag `file=turn.svg` also
writes it to `pictures/turn.svg`, for the docs. `make pictures` runs this.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

KINDS = ("image/svg+xml", "text/html")
PICTURES = Path(__file__).with_name("pictures")


def main(paths: list[str]) -> None:
    """Run each notebook from top to bottom in an empty folder, and write it back."""
    for path in map(Path, paths):
        notebook = nbformat.read(path, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            NotebookClient(notebook, timeout=120, resources={"metadata": {"path": folder}}).execute()
        for cell in notebook.cells:
            keep_picture(cell)
        notebook.metadata = {
            "kernelspec": notebook.metadata.kernelspec,
            "language_info": {"name": "python"},
        }
        path.write_text(nbformat.writes(notebook) + "\n")
        print(f"{path}: {path.stat().st_size // 1000} KB")


def keep_picture(cell: nbformat.NotebookNode) -> None:
    """Take from a cell what differs from run to run and is no picture."""
    cell.metadata.pop("execution", None)
    if cell.cell_type != "code":
        return
    cell.execution_count = None
    kept = [output for output in cell.outputs if "picture" in cell.metadata.get("tags", ())]
    cell.outputs = [output for output in kept if output.output_type in ("execute_result", "display_data")]
    for output in cell.outputs:
        output.data = {kind: data for kind, data in output.data.items() if kind in KINDS}
        if "execution_count" in output:
            output.execution_count = None
        for tag in cell.metadata.tags:
            if tag.startswith("file="):
                PICTURES.mkdir(exist_ok=True)
                (PICTURES / tag.removeprefix("file=")).write_text(output.data["image/svg+xml"])


if __name__ == "__main__":
    main(sys.argv[1:])
