"""How much a request may cost at most, before it is sent. Pure.

The tokens of a byte-level vocabulary each stand for at least one byte of text, and a JSON string
is no shorter than the text in it (`\\u00e9` takes six bytes for two), so the raw JSON of a prompt
holds no more tokens than bytes. The syntax around each message (`{"role": "user", "content": …}`,
30 bytes and more) outweighs the marks that a chat template puts there; what a template adds once (a
system sentence, how tools are to be called) is allowed for.
"""

import re

import msgspec

from chappe.core.json import UNREADABLE
from chappe.gateway.catalogue import Model

TEMPLATE_TOKENS = 256
_IMAGE_TOKENS = 4096
# An unescaped `"url"` can't be inside a JSON string: this finds values, never a person's words.
_EMBEDDED = re.compile(rb'"(?:url|image_url)"\s*:\s*"data:image/[^"]*"')
_IMAGE_PART = re.compile(rb'"type"\s*:\s*"(?:image_url|input_image)"')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def bound(
    prompt: bytes,
    output_limit: int | None,
    answers: int,
    model: Model,
    image_tokens: int = _IMAGE_TOKENS,
) -> tuple[int, int]:
    """Most tokens that a request can read and write.

    Args:
        prompt: raw JSON of what the model will read; of a rerank, the query and the documents.
        output_limit: most tokens of an answer that the client allows, if it says so.
        answers: how many answers are asked for.
        model: the model; what it reads can't be more than its context.
        image_tokens: most tokens of one image.
    """
    if model.kind == "rerank":
        return _rerank_bound(prompt), 0
    if model.kind != "chat":
        # Each text of an embedding has the context for itself.
        return len(prompt) + TEMPLATE_TOKENS, 0
    size = len(prompt) + TEMPLATE_TOKENS
    if b"image" in prompt:
        size -= sum(len(found) for found in _EMBEDDED.findall(prompt))
        size += image_tokens * len(_IMAGE_PART.findall(prompt))
    longest = model.max_output_tokens if output_limit is None else output_limit
    return min(size, model.context), max(0, min(longest, model.context)) * answers


def _rerank_bound(prompt: bytes) -> int:
    """The query is read again with each document."""
    match = _STRING.match(prompt)
    if match is None:
        return len(prompt) + TEMPLATE_TOKENS
    try:
        documents = len(msgspec.json.decode(prompt[match.end() :], type=list[msgspec.Raw]))
    except UNREADABLE:
        documents = 1
    query = match.end() + TEMPLATE_TOKENS
    return len(prompt) - match.end() + documents * query
