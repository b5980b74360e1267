"""Small pieces of HTML for notebooks: plain tags, so that code-hosting sites leave them as they are."""

from collections.abc import Sequence
from html import escape


def html_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of texts, the first column in a fixed-width font."""
    head = "".join(f'<th align="left">{escape(title)}</th>' for title in titles)
    body = "".join(
        "<tr>"
        + "".join(
            f'<td align="left">{f"<code>{escape(cell)}</code>" if place == 0 else escape(cell)}</td>'
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def html_page(body: str) -> str:
    """Return a whole page around `body`, for a file."""
    return f'<!doctype html>\n<meta charset="utf-8">\n{body}\n'
