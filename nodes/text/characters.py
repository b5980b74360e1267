"""Split characters: JSON may escape an emoji as two surrogates, and models split them."""


def whole_characters(text: str) -> str:
    """Return the text with surrogate pairs joined and unpaired ones as U+FFFD, so that it can be encoded."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def first_half(text: str) -> str:
    """Return the high surrogate at the end of `text`, empty without one."""
    return text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
