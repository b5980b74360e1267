"""Enclose untrusted text of a prompt in a tag that the text itself cannot close."""

import re
from html import escape


def enclosed(tag: str, text: str, **attributes: object) -> str:
    """Return `text` between the tags, each on its own line.

    If the text contains such a tag itself, in any case, its `<` is written `&lt;`: otherwise the text could
    end early and continue as something else, such as another block. Other text is not changed.
    """
    given = "".join(f' {name}="{escape(str(value))}"' for name, value in attributes.items())
    harmless = re.sub(rf"<(?=\s*/?\s*{tag}\b)", "&lt;", text, flags=re.IGNORECASE)
    return f"<{tag}{given}>\n{harmless}\n</{tag}>"
