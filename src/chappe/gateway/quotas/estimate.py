"""How much a request may cost at most, before it is sent. Pure."""

from chappe.gateway.catalogue import Model

# What a chat template adds: role marks around each message, and the beginning of the answer.
_TEMPLATE_TOKENS = 64
_IMAGE_MARK = b'"image_url"'
_DATA_MARK = b";base64,"
_IMAGE_TOKENS = 2048


def bound(prompt: bytes, output_limit: int | None, answers: int, model: Model) -> tuple[int, int]:
    """Most tokens that a request can read and write.

    The tokens of a byte-level vocabulary each stand for at least one byte, and a JSON string is no
    shorter than the text in it, so the raw JSON of the prompt holds no more tokens than bytes; the
    syntax around each message (`{"role": "user", "content": …}`, 30 bytes and more) outweighs the
    marks that a template puts there. An image in the request counts by image, not by its bytes.
    Neither can be more than the model's context.

    Args:
        prompt: raw JSON of what the model will read.
        output_limit: most tokens of an answer that the client allows, if it says so.
        answers: how many answers are asked for.
        model: the model.
    """
    size = len(prompt)
    if _IMAGE_MARK in prompt and _DATA_MARK in prompt:
        size = _without_images(prompt)
    read = min(size + _TEMPLATE_TOKENS, model.context)
    if model.kind != "chat":
        # Each text of an embedding or of a rerank has the context for itself.
        return size + _TEMPLATE_TOKENS, 0
    longest = model.max_output_tokens if output_limit is None else output_limit
    return read, max(0, min(longest, model.context)) * answers


def _without_images(prompt: bytes) -> int:
    """Bytes of a prompt in which each embedded image counts as tokens of its own."""
    size = 0
    for number, part in enumerate(prompt.split(_DATA_MARK)):
        if number == 0:
            size += len(part)
            continue
        end = part.find(b'"')
        size += _IMAGE_TOKENS + (len(part) - end if end >= 0 else 0)
    return size
