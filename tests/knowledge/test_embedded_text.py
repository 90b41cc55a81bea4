"""What the encoder reads of a passage."""

from chappe.knowledge.vectors import embedded_text


def test_a_sheet_is_read_with_its_title_and_last_heading() -> None:
    read = embedded_text("Passeport", ("Mineur", "Coût"), "17 €.")
    assert read == "Passeport\nCoût\n17 €."


def test_an_article_is_read_with_its_sections_rather_than_its_number() -> None:
    sections = ("Première partie : Travail", "Titre II : Contrat", "Section 4 : Période d'essai.")
    read = embedded_text("Article L1221-19 – Code du travail", (), "Deux mois.", sections)
    assert read == "Contrat > Période d'essai.\nDeux mois."


def test_nothing_stands_for_a_title_that_is_missing_and_all_is_bounded() -> None:
    assert embedded_text("", (), "mot") == "mot"
    assert len(embedded_text("t" * 300, (), "m" * 5000, ("a", "b" * 1000))) <= 1500
