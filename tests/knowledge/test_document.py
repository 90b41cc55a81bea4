import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.document import DocumentBuilder, normalise


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  deux\n\t mots\u00a0\u202f! ", "deux mots !"),
        ("adminis\u00adtration\u200b", "administration"),
        ("e\u0301te\u0301", "été"),
        ("a\x00b\x07c", "abc"),
        ("a\ud800b", "a\ufffdb"),
        ("\u200b \ufeff", ""),
    ],
)
def test_normalise(raw: str, expected: str) -> None:
    assert normalise(raw) == expected


@given(st.text(st.characters(exclude_categories=())))
def test_normalised_text_is_one_storable_line(raw: str) -> None:
    text = normalise(raw)
    assert normalise(text) == text
    assert text == text.strip() == " ".join(text.split())
    assert unicodedata.is_normalized("NFC", text)
    assert "\x00" not in text.encode("utf-8").decode("utf-8")


def test_builder_gives_each_block_its_exact_span() -> None:
    builder = DocumentBuilder()
    builder.add("heading", " Pièces  à fournir ", 2)
    builder.add("paragraph", "Apportez :")
    builder.add("item", "une photo 📷,", 1)
    builder.add("item", "un justificatif.", 1)
    assert builder.add("note", " \n ") is None
    builder.add("note", "À noter : rien.", 0, within=1)
    text, blocks = builder.build()
    assert text == (
        "Pièces à fournir\n\nApportez :\n\nune photo 📷,\nun justificatif.\n\nÀ noter : rien."
    )
    assert [text[b.start : b.end] for b in blocks] == [
        "Pièces à fournir",
        "Apportez :",
        "une photo 📷,",
        "un justificatif.",
        "À noter : rien.",
    ]
    assert [(b.kind, b.level, b.within) for b in blocks] == [
        ("heading", 2, None),
        ("paragraph", 0, None),
        ("item", 1, None),
        ("item", 1, None),
        ("note", 0, 1),
    ]


def test_levels_stay_in_their_range() -> None:
    builder = DocumentBuilder()
    builder.add("case", "très profond", 9)
    builder.add("item", "sans niveau")
    builder.add("row", "a | b", 3)
    assert [block.level for block in builder.build()[1]] == [6, 1, 0]
