"""Classify a provider's refusal by its wording, which differs between providers.

There is no common code for these errors. The wordings are those of OpenAI, Azure, Anthropic, Google, Mistral,
Groq, xAI, Cerebras, DeepSeek, DashScope, vLLM, SGLang, llama.cpp, Ollama, LM Studio and TGI as of 2026.
"""

import json
import re
from collections.abc import Iterable
from typing import Any


def _any_of(*wordings: str) -> re.Pattern[str]:
    return re.compile("|".join(wordings), re.IGNORECASE | re.DOTALL)


_LENGTH = _any_of(
    r"context[_ -]?(length|window|size|overflow|limit)",
    r"exceeds? (the )?(available |model'?s? )?context",
    r"\b(prompt|input|request|conversation|messages?|sequence|content)\b.{0,60}\btoo (long|large|big)",
    r"too many (input |prompt )?tokens|too long for",
    r"longer than the (maximum )?(model|context)|max[_ ]model[_ ]len|n_ctx|n_keep",
    r"max(imum)? (prompt|model|input|sequence)[ _]?(length|tokens?|size)",
    r"tokens?\b.{0,80}\b(exceed\w*|greater than|larger than|more than|over the|maximum|limit)",
    r"\b(exceed\w*|over|above|greater than|larger than)\b.{0,80}\btokens?",
    r"reduce (the |your )?(length|prompt|input|messages)",
    r"\b(input|prompt)[ _]?(length|tokens?)\b.{0,40}\b(exceed\w*|greater|larger|must be|should be)",
    r"\b(input|prompt|conversation)s?\b.{0,20}\bexceed\w* (the )?(max|limit|allowed)",
    r"(request|payload|body)[_ ]?(is )?too[_ ]large|must have less than|\binputs\W{1,3}tokens",
)
_ANSWER_LENGTH = re.compile(r"max_(completion_|output_|new_)?tokens", re.IGNORECASE)
_REQUEST = re.compile("context|input|prompt", re.IGNORECASE)
_POLICY = _any_of(
    r"content[_ ]?filter|content management policy|responsible ?ai|content[_ ]policy",
    r"safety (system|filter|settings?|reasons?)|moderation|flagged|data_?inspection|guardrail",
    r"(inappropriate|prohibited|sensitive|unsafe|harmful)[_ ](content|information|words?)",
    r"\b(prompt|input|content|request|response) (was |has been |is )?blocked|blocked (by|due to)",
    r"block_?reason|content exists risk",
    r"(violat\w*|against)\b.{0,60}\b(polic|guideline|terms|usage)",
)
_ACCESS = _any_of(
    r"api[_ -]?key|authenticat|unauthorized|credential|permission|billing|model_not_found",
    r"\b(model|deployment)\b.{0,80}\b(not found|not exist|does ?n[o']t exist|no longer|deprecated|unknown)",
    r"\b(unknown|invalid|no such|not a valid) (model|deployment)\b",
)
_ORDER = _any_of(
    r"\broles?\b|alternat|consecutive|prefill|jinja|chat[_ ]?template",
    r"system (message|prompt|role|instruction)s?\b.{0,60}\b(first|begin\w*|start|support\w*|one|only|must)",
    r"\b(first|last|final) message|must (begin|start|end) with|no user (query|message)",
    r"\b(only|one|single|multiple) system",
)
_NOT = r"(not support|n[o']t support|unsupported|not accept|not enabled|not allowed|not a)\b"
_TOOLS = _any_of(
    rf"{_NOT}.{{0,60}}\b(tools?|functions?|function[-_ ]call\w*)\b",
    rf"\b(tools?|functions?|(tool|function)[-_ ](use|choice|call\w*))\b.{{0,60}}{_NOT}",
    r"\btools?[-_ ](use|choice)\b.{0,60}requires",
)
_PICTURES = _any_of(
    rf"\b(images?|image_url|vision|multi-?modal|audio)\b.{{0,80}}{_NOT}",
    rf"{_NOT}.{{0,80}}\b(images?|image_url|vision|multi-?modal|audio)",
    r"\bcontent\b.{0,40}(must be|should be|expected|to be) (a |an )?(valid )?str",
)
_UNKNOWN = _any_of(
    r"unknown|unrecogni[sz]ed|unexpected|unsupported|not supported|does ?n[o']t support|not permitted",
    r"not allowed|extra[_ ]|forbidden|(invalid|not a valid|no such) (field|param|arg|property|key)",
    r"not implemented|cannot be used|not available|mixed",
)


def concerns_length(words: str) -> bool:
    """Return whether the request exceeds the model's context.

    Not for limits of the answer, or of single names and ids.
    """
    if "string too long" in words or (_ANSWER_LENGTH.search(words) and not _REQUEST.search(words)):
        return False
    return _LENGTH.search(words) is not None


def concerns_policy(words: str) -> bool:
    """Return whether a content filter refused the request."""
    return _POLICY.search(words) is not None


def concerns_access(words: str) -> bool:
    """Return whether every request would be refused: because of the key, the account or the model's name."""
    return _ACCESS.search(words) is not None


def concerns_order(words: str) -> bool:
    """Return whether the server refused the order or the roles of the messages."""
    return _ORDER.search(words) is not None


def concerns_tools(words: str) -> bool:
    """Return whether the model or its server does not support tools."""
    return _TOOLS.search(words) is not None and "strict" not in words


def concerns_pictures(words: str) -> bool:
    """Return whether the model accepts only text."""
    return _PICTURES.search(words) is not None


def is_unknown_field(words: str) -> bool:
    """Return whether a field as such was refused, whatever its value."""
    return _UNKNOWN.search(words) is not None


def named_fields(words: str, sent: Iterable[str]) -> frozenset[str]:
    """Return the `sent` fields of a request that a refusal names.

    A `loc` (FastAPI, pydantic) or `param` (OpenAI) names a field reliably; otherwise its quoted name, or its
    name as a separate word unless that is an everyday word.
    """
    fields = set(sent)
    certain = _located(words) & fields
    if certain:
        return frozenset(certain)
    quoted = {name for name in fields if re.search(rf"[\"'`‘“.\[]{re.escape(name)}[\"'`’”\]]", words)}
    if quoted:
        return frozenset(quoted)
    bare = {name for name in fields if "_" in name and re.search(rf"\b{re.escape(name)}\b", words)}
    if bare:
        return frozenset(bare)
    named = r"\b(field|param(eter)?|argument|property|input|key|option)s?\b[^.]{0,40}\b"
    return frozenset(
        name
        for name in fields
        if re.search(rf"{named}{re.escape(name)}\b", words, re.IGNORECASE)
        or re.search(
            rf"\b{re.escape(name)}\b\W{{0,3}}(is |are )?(not |un)(supported|permitted|allowed)", words
        )
    )


def _located(words: str) -> set[str]:
    """Return the last name of each `loc` and `param` entry in the JSON or Python objects of a text."""
    found: set[str] = set()
    for place in re.findall(r"[\"'](?:loc|param)[\"']\s*:\s*(\[[^\]]*\]|\([^)]*\)|[\"'][^\"']*[\"'])", words):
        text = place.replace("'", '"').replace("(", "[").replace(")", "]").replace(",]", "]")
        try:
            value: Any = json.loads(text)
        except ValueError:
            continue
        parts = re.split(r"[.\[\]]+", value) if isinstance(value, str) else value
        found |= {str(part) for part in parts if isinstance(part, str) and part}
    return found
