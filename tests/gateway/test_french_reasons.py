"""What is wrong with a request to /v1 is said in French to a French reader, and in English else."""

import httpx2
import pytest

from gateway_tower import Server, Tower

CHAT = "/v1/chat/completions"
JSON = "application/json"


@pytest.mark.parametrize(
    ("path", "kind", "body", "french", "english"),
    [
        (CHAT, JSON, b"", "le JSON finit trop tôt", "the JSON ends too early"),
        (CHAT, JSON, b"{'model'}", "pas du JSON lisible (octet 1)", "(byte 1)"),
        (CHAT, JSON, b"[]", "`object` est attendu, et c'est `array`", "is expected, and it is"),
        (CHAT, JSON, b"{}", "le champ `model` manque", "`model` is missing"),
        (CHAT, JSON, b'{"model": 1}', "model : `str` est attendu", "model: `str` is expected"),
        (CHAT, JSON, b'{"x":' + b"[" * 100_000, "trop de niveaux", "too many levels"),
        ("/v1/audio/transcriptions", JSON, b"{}", "multipart/form-data est attendu", "expected"),
        (
            "/v1/audio/transcriptions", "multipart/form-data; boundary=b",
            b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--b--\r\n',
            "file : ce champ est obligatoire", "file: it is missing",
        ),
        (
            "/v1/audio/transcriptions", "multipart/form-data; boundary=b", b"--other\r\n",
            "le corps multipart/form-data est illisible", "can't be read",
        ),
        ("/v1/batches", JSON, b"{}", "le champ `input_file_id` manque", "is missing"),
        (
            "/v1/batches", JSON,
            b'{"endpoint": "/v1/embeddings", "input_file_id": "f", "completion_window": "24h",'
            b' "metadata": {"a": 1}}',
            "`str` est attendu, et c'est `int`", "it is `int`",
        ),
    ],
)  # fmt: skip
async def test_a_reason_is_in_the_readers_language(
    gate: Tower, path: str, kind: str, body: bytes, french: str, english: str
) -> None:
    await gate.add_model(Server())
    async with httpx2.AsyncClient(base_url=gate.url) as client:
        for language, told in (("fr", french), ("en", english)):
            answer = await client.post(
                path,
                content=body,
                headers={
                    "authorization": f"Bearer {gate.key}",
                    "content-type": kind,
                    "accept-language": language,
                },
            )
            assert answer.status_code == 400, answer.text
            error = answer.json()["error"]
            assert error["code"] == "invalid_request"
            assert told in error["message"].replace("\u00a0", " ")
