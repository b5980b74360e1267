"""Text of others inside a prompt: enclosed in a tag that the text itself cannot close."""

import re
from html import escape


def enclosed(tag: str, text: str, **attributes: object) -> str:
    """Return `text` between the tags, each on a line of its own.

    Where the text holds such a tag itself, in whatever case, its `<` is written `&lt;`: else the text could
    end here and go on as something that it is not, such as another block. Other text stays as it is.
    """
    given = "".join(f' {name}="{escape(str(value))}"' for name, value in attributes.items())
    harmless = re.sub(rf"<(?=\s*/?\s*{tag}\b)", "&lt;", text, flags=re.IGNORECASE)
    return f"<{tag}{given}>\n{harmless}\n</{tag}>"
