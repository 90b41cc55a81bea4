import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.matching import find_folded, fold, plain_typography, strip_accents


def found(needle: str, text: str) -> str | None:
    haystack = fold(text)
    span = find_folded(haystack, fold(needle).text)
    if span is None:
        return None
    start, end = haystack.original_span(*span)
    return text[start:end]


@pytest.mark.parametrize(
    ("needle", "text", "expected"),
    [
        ("l'été", "En l\u2019été dernier", "l\u2019été"),
        ("100 €", "soit 100\u202f€ net", "100\u202f€"),
        ("1000 euros", "un total de 1\u00a0000 euros", "1\u00a0000 euros"),
        ("rendez-vous", "un rendez\u2011vous", "rendez\u2011vous"),
        ("Oui ?", "oui\u00a0?", "oui\u00a0?"),
        ("il dit « non »", 'Il dit "non".', 'Il dit "non"'),
        ("deux lignes", "deux \n  lignes", "deux \n  lignes"),
        ("cœur", "le coeur", "coeur"),
        ("e\u0301tat", "un état", "état"),
        ("important", "c'est **important**", "important"),
    ],
)
def test_typography_does_not_matter(needle: str, text: str, expected: str) -> None:
    assert found(needle, text) == expected


@pytest.mark.parametrize(
    ("needle", "text"),
    [
        ("interne", "un médecin interné"),
        ("6 mois", "un délai de 36 mois"),
        ("5 %", "un taux de 1,5 %"),
        ("1", "un taux de 1,5 %"),
        ("valable", "un titre invalable"),
        ("mois", "moisson"),
        ("12100", "cerfa 12100*02 et 12100-3"),
        ("", "quelque chose"),
    ],
)
def test_other_words_are_not_found(needle: str, text: str) -> None:
    assert found(needle, text) is None


def test_original_span_refuses_an_empty_span() -> None:
    with pytest.raises(ValueError, match="span"):
        fold("abc").original_span(1, 1)


TEXTS = st.text(alphabet="abcé œ’'«»\"\u00a0\u202f\n.,;:!?%€0123-–e\u0301*\u00ad", max_size=60)


@given(TEXTS)
def test_folding_keeps_ordered_spans_of_the_original(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    previous = 0
    for start, end in zip(folded.starts, folded.ends, strict=True):
        assert previous <= start < end <= len(text)
        previous = start


@given(TEXTS)
def test_composed_and_decomposed_texts_fold_alike(text: str) -> None:
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert fold(composed).text == fold(decomposed).text


@given(TEXTS)
def test_plain_typography_keeps_offsets(text: str) -> None:
    assert len(plain_typography(text)) == len(text)


@given(st.lists(st.sampled_from(["mairie", "l'acte", "10", "état", "« oui »"]), min_size=1))
def test_what_is_cut_from_a_text_is_found_there(words: list[str]) -> None:
    needle = " ".join(words)
    text = f"avant {needle} après"
    span = found(needle, text)
    assert span is not None
    assert fold(span).text == fold(needle).text


def test_strip_accents() -> None:
    assert strip_accents("délivrée à Nîmes") == "delivree a Nimes"
