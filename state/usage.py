"""Token counts of model calls."""

from typing_extensions import TypedDict


class Usage(TypedDict):
    """Tokens used by the models of one turn, summed over its steps."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
