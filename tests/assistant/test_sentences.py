import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.sentences import SentenceStream, split_sentences


def pieces(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["Bonjour !", "Selon l'art. 5 (L. 123-4), M. Martin paie 1.5 € ou 3,50 €.", "Fin."],
        ["Il faut aller en mairie. [1]", "Ensuite, il faut payer [2][3].", "Oui [1, 2]."],
        ["C'est fait.[1][2].", "Il reste 【3】.", "Bien."],
        ["Il dit « Venez. Signez. » à tous.", "Puis il part."],
        ["« Il faut venir. » [1]", "Ensuite rien."],
        ['Il dit "Oui. Non." et part.', "Voilà."],
        ["Apportez p. ex. le permis B.", "Il suffit."],
        ["Voir service-public.fr pour le reste.", "Le n° 5 suffit, etc. et encore."],
        ["Mme Durand attend… et repart.", "Vraiment ?", "Oui !"],
        ["See e.g. the form.", "Mr. Smith agrees.", "It costs 3.50 euros."],
        ["Le 3 oct. 2026 convient.", "Le 4 non."],
        ["Cela coûte 12 euros.", "2 photos suffisent."],
    ],
)
def test_sentences_on_one_line(sentences: list[str]) -> None:
    assert pieces(" ".join(sentences)) == sentences


def test_lines_and_list_items() -> None:
    lines = ["Pièces :", "- Un passeport [1]", "1. Une photo", "2. Un acte. [2]", "Fin"]
    assert pieces("\n".join(lines)) == lines
    assert pieces("a)\n\n\n  b  \n") == ["a)", "b"]


def test_an_open_quotation_does_not_hold_back_the_rest_for_ever() -> None:
    text = "Il dit « " + "mot " * 200 + "fin. Ensuite il part. Voilà."
    assert pieces(text)[-1] == "Voilà."
    assert pieces("Il dit « sans fin.\nAutre ligne.") == ["Il dit « sans fin.", "Autre ligne."]


def test_a_sentence_is_given_as_soon_as_it_is_certain() -> None:
    stream = SentenceStream()
    assert stream.feed("Allez en mairie.") == []
    assert stream.feed(" [") == []
    assert stream.feed("1]") == []
    (span,) = stream.feed(" Puis")
    assert (span.index, span.start, span.end) == (0, 0, 20)
    (rest,) = stream.close()
    assert (rest.index, rest.start, rest.end) == (1, 21, 25)
    assert stream.close() == []
    with pytest.raises(ValueError, match="closed"):
        stream.feed("encore")


TEXTS = st.text(
    alphabet=st.sampled_from(list('aBé1 .!?…\n«»"[]【】,:;-*’L\u00a0)(👋')), max_size=60
)


@given(TEXTS, st.data())
def test_the_cut_does_not_depend_on_the_tokens(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=12)))
    stream = SentenceStream()
    spans = []
    for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True):
        spans += stream.feed(text[start:end])
    assert spans + stream.close() == split_sentences(text)


@given(TEXTS)
def test_sentences_part_the_text(text: str) -> None:
    previous = 0
    for index, span in enumerate(split_sentences(text)):
        assert span.index == index
        assert not text[previous : span.start].strip()
        assert text[span.start : span.end] == text[span.start : span.end].strip() != ""
        previous = span.end
    assert not text[previous:].strip()
