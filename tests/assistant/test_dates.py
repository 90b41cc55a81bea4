import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.assistant.dates import asked_date


@pytest.mark.parametrize(
    ("question", "date", "words"),
    [
        ("Que disait l'article L1234-1 au 1er janvier 2020 ?", (2020, 1, 1), "au 1er janvier 2020"),
        ("L1234-1 en vigueur le 03/02/2012", (2012, 2, 3), "en vigueur le 03/02/2012"),
        ("Règles applicables en date du 2016-05-04", (2016, 5, 4), "en date du 2016-05-04"),
        ("Quel était le SMIC en 2019 ?", (2019, 12, 31), "en 2019"),
        ("Quelle était la règle en février 2020 ?", (2020, 2, 29), "en février 2020"),
        ("Le 3 mars 2019, quel délai s’appliquait ?", (2019, 3, 3), "Le 3 mars 2019"),
        ("What was the notice period in 2017?", (2017, 12, 31), "in 2017"),
        ("Which rules applied on January 1, 2018?", (2018, 1, 1), "on January 1, 2018"),
    ],
)
def test_a_date_that_is_asked(question: str, date: tuple[int, int, int], words: str) -> None:
    asked = asked_date(question)
    assert asked is not None
    assert (asked.date, asked.words) == (dt.date(*date), words)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Durée du préavis avant la réforme de 2017 ?", "avant la réforme de 2017"),
        ("Que prévoit la loi du 8 août 2016 ?", "loi du 8 août 2016"),
        ("J'ai été embauché en 2015, quel est mon préavis ?", "embauché en 2015"),
        ("Mon fils né le 12 mai 2008 peut-il travailler ?", "né le 12 mai 2008"),
        ("Quels changements depuis 2018 ?", "depuis 2018"),
        ("Quel délai pour une demande déposée le 3 mars 2019 ?", "déposée le 3 mars 2019"),
        ("Comparer les règles en 2015 et en 2020", "en 2015 / en 2020"),
    ],
)
def test_a_time_that_is_named_is_told_and_not_guessed_from(question: str, words: str) -> None:
    asked = asked_date(question)
    assert asked is not None
    assert (asked.date, asked.words) == (None, words)


@pytest.mark.parametrize(
    "question",
    ["Quel est l'article 2019 du code civil ?", "Formulaire 2042 : comment le remplir ?",
     "Puis-je toucher 2000 euros ?", "au 31/02/2020 ?", "Quel délai ?", ""],
)  # fmt: skip
def test_a_number_is_no_date(question: str) -> None:
    assert asked_date(question) is None


def test_a_year_that_is_not_over_is_asked_as_it_is_today() -> None:
    today = dt.date(2026, 11, 24)
    for question in ("Le SMIC en 2026 ?", "Le SMIC en novembre 2026 ?"):
        asked = asked_date(question, today)
        assert asked is not None and asked.date == today
    asked = asked_date("Le SMIC en octobre 2026 ?", today)
    assert asked is not None and asked.date == dt.date(2026, 10, 31)


@given(st.dates(dt.date(1800, 1, 1), dt.date(2099, 12, 31)))
def test_every_day_is_read_as_it_is_written(day: dt.date) -> None:
    for written in (day.isoformat(), day.strftime("%d/%m/%Y")):
        asked = asked_date(f"Que disait la règle au {written} ?")
        assert asked is not None and asked.date == day


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    asked = asked_date(text)
    assert asked is None or asked.words
