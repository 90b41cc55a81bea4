from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.knowledge.document import Block, DocumentBuilder, PassageSpan, SourceDocument
from chappe.knowledge.passages import BIG_SECTION_CHARS, split
from chappe.knowledge.sources.legifrance import read_articles
from chappe.knowledge.sources.service_public import read_sheets
from samples.build import SAMPLE_CODE_ID, fiches_archive, legi_archive

Kind = Literal["heading", "paragraph", "item", "case", "row", "note"]
Content = tuple[Kind, str, int] | tuple[Kind, str, int, int | None]


def document(*contents: Content) -> SourceDocument:
    builder = DocumentBuilder()
    for content in contents:
        builder.add(*content)
    text, blocks = builder.build()
    return SourceDocument("X1", "fiche", "Titre", "", None, None, (), text, blocks, {})


def words(count: int, word: str = "mot") -> str:
    """A sentence of exactly `count` characters (count > 10)."""
    return (f"{word} " * count)[: count - 2].rstrip().ljust(count - 1, "x") + "."


def texts(source: SourceDocument, *limits: int) -> list[str]:
    return [source.text[p.start : p.end] for p in split(source, *limits)]


def assert_invariants(
    source: SourceDocument, passages: tuple[PassageSpan, ...], limit: int
) -> None:
    position = 0
    for passage in passages:
        text = source.text[passage.start : passage.end]
        assert text
        assert text == text.strip()
        assert len(text) <= limit
        assert passage.start >= position
        assert not source.text[position : passage.start].strip()
        position = passage.end
    assert not source.text[position:].strip()


@st.composite
def documents(draw: st.DrawFn) -> SourceDocument:
    kinds: st.SearchStrategy[Kind] = st.sampled_from(
        ["heading", "paragraph", "item", "case", "row", "note"]
    )
    texts = st.one_of(
        st.text("ab é.:!\n\u00a0|📷", max_size=60),
        st.integers(11, 2500).map(words),
        st.integers(1, 2500).map(lambda size: "x" * size),
    )
    within = st.none() | st.integers(0, 6)
    contents = draw(st.lists(st.tuples(kinds, texts, st.integers(0, 7), within), max_size=25))
    return document(*contents)


@given(documents(), st.integers(20, 1000), st.integers(0, 600))
def test_passages_cover_any_document_within_the_limit(
    source: SourceDocument, target: int, more: int
) -> None:
    assert_invariants(source, split(source, target, target + more), target + more)


@given(documents())
def test_the_heading_path_names_headings_that_enclose_the_passage(source: SourceDocument) -> None:
    for passage in split(source):
        above = [
            source.text[b.start : b.end]
            for b in source.blocks
            if b.kind in ("heading", "case") and b.start < passage.end
        ]
        rows = [source.text[b.start : b.end][:300] for b in source.blocks if b.kind == "row"]
        path = passage.heading_path
        # Of a table that goes on, the names of its columns come last.
        if path and path[-1] in rows and path[-1] not in above:
            path = path[:-1]
        remaining = iter(above)
        assert all(heading in remaining for heading in path)


@given(st.lists(st.tuples(st.sampled_from(["heading", "case"]), st.integers(20, 700)), max_size=12))
def test_a_heading_stays_with_what_follows_it(sections: list[tuple[Kind, int]]) -> None:
    contents: list[Content] = []
    for index, (kind, size) in enumerate(sections):
        contents += [(kind, f"Titre {index}", 1 + index % 3), ("paragraph", words(size), 0)]
    source = document(*contents)
    ends = {passage.end for passage in split(source)}
    assert not ends & {b.end for b in source.blocks if b.kind in ("heading", "case")}


def test_samples_keep_the_invariants(tmp_path: Path) -> None:
    items = [
        *read_sheets(fiches_archive(tmp_path / "fiches.tgz")),
        *read_articles(legi_archive(tmp_path / "legi.tgz"), SAMPLE_CODE_ID),
    ]
    for item in items:
        source = item.parse()
        for target, limit in ((900, 1500), (200, 300), (40, 60)):
            passages = split(source, target, limit)
            assert passages
            assert_invariants(source, passages, limit)


def test_a_short_article_is_one_passage() -> None:
    source = document(("paragraph", words(500), 0), ("item", words(600), 1))
    assert split(source) == (PassageSpan(0, len(source.text), ()),)


def test_chapters_and_cases_of_some_length_stay_apart() -> None:
    source = document(
        ("heading", "Un", 1),
        ("paragraph", words(BIG_SECTION_CHARS), 0),
        ("heading", "Deux", 1),
        ("case", "Premier cas", 2),
        ("item", words(BIG_SECTION_CHARS), 1),
        ("case", "Second cas", 2),
        ("item", words(BIG_SECTION_CHARS), 1),
    )
    assert [p.heading_path for p in split(source)] == [
        ("Un",),
        ("Deux", "Premier cas"),
        ("Deux", "Second cas"),
    ]


def test_small_sections_share_a_passage_named_after_what_they_have_in_common() -> None:
    source = document(
        ("heading", "Coût", 1),
        ("case", "Perte", 2),
        ("paragraph", "25 euros.", 0),
        ("case", "Vol", 2),
        ("paragraph", "Gratuit.", 0),
    )
    (passage,) = split(source)
    assert passage.heading_path == ("Coût",)


def test_a_table_in_several_passages_names_its_columns_in_each() -> None:
    rows = [("row", f"{year} | {words(150)} | {year} euros", 0) for year in range(2000, 2020)]
    columns = "Année | Objet | Montant"
    source = document(("heading", "Barème", 1), ("row", columns, 0), *rows)
    first, *others = split(source)
    assert first.heading_path == ("Barème",)
    assert columns in source.text[first.start : first.end]
    assert others
    for passage in others:
        assert passage.heading_path == ("Barème", columns)
        assert columns not in source.text[passage.start : passage.end]


def test_a_remark_after_the_cases_belongs_to_their_chapter() -> None:
    source = document(
        ("heading", "Pièces", 1),
        ("case", "Premier cas", 2),
        ("item", words(300), 1),
        ("case", "Second cas", 2),
        ("item", words(300), 1),
        ("note", "À savoir : vaut pour tous.", 0, 1),
    )
    passages = split(source)
    assert passages[-1].heading_path == ("Pièces",)
    assert source.text[passages[-1].start :] == "À savoir : vaut pour tous."


def test_the_sentence_that_leads_to_a_list_goes_with_it() -> None:
    source = document(
        ("paragraph", words(880), 0),
        ("paragraph", "Il faut présenter :", 0),
        ("item", words(200), 1),
        ("item", words(300), 1),
    )
    first, second = texts(source)
    assert len(first) == 880
    assert second.startswith("Il faut présenter :")


def test_the_first_row_of_a_table_goes_with_the_next_one() -> None:
    source = document(
        ("paragraph", words(850), 0),
        ("paragraph", "Durée du préavis", 0),
        ("row", "Situation | Durée", 0),
        ("row", "Cas général | " + words(600), 0),
    )
    first, second = texts(source)
    assert len(first) == 850
    assert second.startswith("Durée du préavis\n\nSituation | Durée\nCas général")


def test_a_short_rest_goes_back_to_its_section() -> None:
    source = document(
        ("heading", "Un", 1), ("paragraph", words(1190), 0), ("paragraph", words(60), 0)
    )
    assert len(split(source)) == 1


def test_a_block_too_long_is_cut_after_a_sentence_then_between_words_then_anywhere() -> None:
    sentences = document(("paragraph", "Une phrase assez courte. " * 20, 0))
    assert all(text.endswith("courte.") for text in texts(sentences, 100, 120))
    only_words = document(("paragraph", "mot " * 100, 0))
    assert all(text.endswith("mot") for text in texts(only_words, 100, 120))
    one_word = document(("paragraph", "x" * 250, 0))
    assert [len(text) for text in texts(one_word, 100, 120)] == [100, 100, 50]


def test_a_document_without_text_has_no_passage() -> None:
    assert split(document()) == ()


def test_text_outside_the_blocks_is_refused() -> None:
    source = SourceDocument(
        "X1", "fiche", "T", "", None, None, (), "a b", (Block("paragraph", 0, 0, 1),), {}
    )
    with pytest.raises(ValueError, match="X1"):
        split(source)


@pytest.mark.parametrize(("target", "limit"), [(0, 10), (20, 10), (-1, -1)])
def test_limits_that_make_no_sense_are_refused(target: int, limit: int) -> None:
    with pytest.raises(ValueError, match="target_chars"):
        split(document(), target, limit)
