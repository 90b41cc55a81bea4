"""What is wrong with a value is said in French to French readers, whatever found it."""

import json
import re
import tomllib
from importlib.resources import files
from typing import Annotated, Any

import msgspec
import pytest
from pydantic_core._pydantic_core import list_all_errors

from chappe.core.errors import ChappeError
from chappe.core.i18n import Sentence, sentence
from chappe.core.invalid import of_pydantic, of_toml, wrong
from chappe.core.json import UNREADABLE, why_unreadable
from chappe.gateway.catalogue.schemas import described
from chappe.knowledge.collection_schemas import CollectionSpec

# Names of formats, of our fields and of their values, and words that both languages write alike.
_NAMES = {
    "archive", "ascii", "batch", "collection", "data", "day", "env", "file", "form", "http",
    "https", "json", "legi", "minute", "model", "month", "multipart", "next", "page", "period",
    "place", "possible", "purpose", "secret", "toml", "utf", "uuid", "true", "false", "a", "date",
    "e", "fr", "on", "s", "siret", "t", "v", "z",
}  # fmt: skip


def _sentences(language: str) -> dict[str, str]:
    text = files("chappe.core").joinpath("locales", f"{language}.json").read_text("utf-8")
    return {k: v for k, v in json.loads(text).items() if k.startswith("invalid.")}


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-zà-ÿœ]+", re.sub(r"\{[^}]*\}", " ", text.lower()))) - _NAMES


ENGLISH = {
    word
    for text in (
        *_sentences("en").values(),
        *(error["message_template_python"] for error in list_all_errors()),
    )
    for word in _words(text)
}


def test_no_english_word_is_in_a_french_sentence() -> None:
    assert {"should", "valid", "missing", "expected"} <= ENGLISH
    for key, text in _sentences("fr").items():
        assert not _words(text) & ENGLISH, key


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("slug", "Été", "slug : il faut des minuscules sans accent"),
        ("language", "klingon", "language : il faut les deux lettres d'une langue, comme fr"),
    ],
)
def test_no_regular_expression_is_told(field: str, value: str, told: str) -> None:
    with pytest.raises(ChappeError) as caught:
        described(CollectionSpec, {"title": "Notes", field: value}, "invalid_request")
    detail = caught.value.detail("fr").replace("\u00a0", " ")
    assert detail.startswith(told) and "[" not in detail


@pytest.mark.parametrize("error", list_all_errors(), ids=lambda error: error["type"])
def test_every_error_of_pydantic_is_told(error: Any) -> None:
    context = {n: v for n, v in (error.get("example_context") or {}).items()}
    told = of_pydantic({"type": error["type"], "ctx": context})
    for language in ("fr", "en"):
        assert told.told(language)
    assert not _words(told.told("fr")) & ENGLISH
    assert told.values.keys() <= context.keys()


def test_what_was_possible_is_listed_without_a_word_of_english() -> None:
    error = {"type": "literal_error", "ctx": {"expected": "'a', 'b-c' or 'it or that'"}}
    assert of_pydantic(error).told("fr") == "sont possibles\u00a0: 'a', 'b-c', 'it or that'"
    error = {"type": "less_than_equal", "ctx": {"le": 1e9}}
    assert of_pydantic(error).told("fr") == "il faut 1000000000 au plus"


class _Inner(msgspec.Struct, forbid_unknown_fields=True):
    number: Annotated[int, msgspec.Meta(ge=1, le=5)] | None = None
    text: Annotated[str, msgspec.Meta(min_length=2, max_length=3, pattern="^a")] | None = None
    items: Annotated[list[int], msgspec.Meta(max_length=1)] | None = None
    pairs: dict[Annotated[str, msgspec.Meta(max_length=1)], str] | None = None


class _Outer(msgspec.Struct):
    model: str
    inner: _Inner | None = None
    real: float | None = None


@pytest.mark.parametrize(
    ("body", "kind", "place"),
    [
        (b"", "json_cut", ""),
        (b'{"model": ', "json_cut", ""),
        (b'{"model": "m",}', "json_at", ""),
        (b'{"model": "m"} x', "json_at", ""),
        (b"[]", "kind", ""),
        (b"{}", "required", ""),
        (b'{"model": 1}', "kind", "model"),
        (b'{"model": "m", "inner": {"number": 0}}', "bound", "inner.number"),
        (b'{"model": "m", "inner": {"text": "a"}}', "length", "inner.text"),
        (b'{"model": "m", "inner": {"text": "bbb"}}', "pattern", "inner.text"),
        (b'{"model": "m", "inner": {"items": [1, 2]}}', "length", "inner.items"),
        (b'{"model": "m", "inner": {"items": [true]}}', "kind", "inner.items[0]"),
        (b'{"model": "m", "inner": {"pairs": {"aa": ""}}}', "length", "inner.pairs"),
        (b'{"model": "m", "inner": {"other": 1}}', "unexpected_field", "inner"),
        (b'{"model": "m", "real": 1e999}', "range", "real"),
    ],
)
def test_every_form_of_msgspec_is_told(body: bytes, kind: str, place: str) -> None:
    with pytest.raises(UNREADABLE) as caught:
        msgspec.json.decode(body, type=_Outer)
    told = why_unreadable(caught.value)
    if place:
        assert (told.key, told.values["place"]) == ("invalid.at", place)
        told = told.values["reason"]
    assert told.key == f"invalid.msgspec_{kind}"
    assert not _words(re.sub("`[^`]*`", "", told.told("fr"))) & ENGLISH


def test_what_is_no_text_and_what_has_no_end_is_told() -> None:
    for body, kind in ((b'{"model": "\xff"}', "json_invalid"), (b"[" * 100_000, "recursion_loop")):
        with pytest.raises(UNREADABLE) as caught:
            msgspec.json.decode(body)
        assert why_unreadable(caught.value) == wrong(kind)


@pytest.mark.parametrize(
    ("text", "kind"), [("a =", "toml_end"), ("a 1", "toml_at"), ("[a]\nb = [1", "toml_end")]
)
def test_what_is_no_toml_is_told(text: str, kind: str) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    told = of_toml(caught.value)
    assert told.key in (f"invalid.{kind}", "invalid.toml_at")
    assert not _words(told.told("fr")) & ENGLISH


def test_a_sentence_is_kept_without_a_language() -> None:
    told = Sentence(
        "invalid.at", {"place": "a.b", "reason": wrong("string_too_long", max_length=3)}
    )
    assert sentence(json.loads(json.dumps(told.plain()))) == told
    assert sentence("as it was") == "as it was"
    assert str(told) == "a.b: a text of 3 characters at most is expected"
