"""How many tokens models used."""

from typing_extensions import TypedDict


class Usage(TypedDict):
    """Tokens that the models of one turn used, summed over its steps."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
