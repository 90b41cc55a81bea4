import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.assistant.citations import (
    CitationChecker,
    SentenceCheck,
    Source,
    Span,
    check_answer,
    find_markers,
    find_quotations,
    locate_quotation,
)
from chappe.assistant.matching import fold
from chappe.assistant.sentences import split_sentences

CARD = Source(
    1,
    "Où et comment faire la demande ?\n"
    "Le lieu de la demande ne dépend pas de votre domicile. Vous pouvez vous adresser à toute "
    "mairie équipée d'un dispositif de recueil.\n"
    "Votre présence est indispensable pour le relevé des empreintes.\n"
    "Vous pouvez remplir une pré-demande en ligne, mais ce n'est pas une obligation.\n"
    "Pièces à fournir\n"
    "Il faut présenter les originaux des documents suivants :\n"
    "Ancienne carte d'identité\n"
    "Photo d'identité de moins de 6 mois et conforme aux normes\n"
    "Justificatif de domicile de moins d'1 an\n"
    "Coût\n"
    "Le renouvellement est gratuit si vous rendez l'ancienne carte. En cas de perte ou de vol, "
    "vous devez payer un timbre fiscal de 25 €.\n"
    "Délai\n"
    "La carte vous est remise au guichet dans un délai de trois mois après réception du SMS. "
    "Passé ce délai, elle est détruite.",
    "Renouvellement de la carte d'identité d'un majeur",
)
PASSPORT = Source(
    2,
    "Tarif du passeport\n"
    "Majeur : 86 €\n"
    "Mineur de 15 à 17 ans : 42 €\n"
    "Mineur de moins de 15 ans : 17 €\n"
    "Le passeport d'un majeur est valable 10 ans et celui d'un mineur 5 ans.\n"
    "Depuis le 1er janvier 2026, le timbre fiscal s'achète en ligne ou dans un bureau de tabac.\n"
    "La demande se fait avec le formulaire cerfa n° 12100*02.\n"
    "Le consulat délivre le passeport aux Français qui vivent à l'étranger.",
    "Passeport : coût et durée de validité",
)
LAW = Source(
    3,
    "Article L. 231-1\n"
    "Le silence gardé pendant deux mois par l'administration sur une demande vaut décision "
    "d'acceptation.\n"
    "Cette règle ne s'applique pas aux demandes présentant un caractère financier, sauf dans les "
    "cas prévus par décret.\n"
    "L'administration accuse réception de toute demande dans un délai de dix jours ouvrés. Le "
    "délai de recours est de 2 mois et ne peut être prolongé qu'une fois.\n"
    "Le montant du plafond est fixé à 1 200,50 euros, soit 12,5 % du revenu de référence.",
    "Silence de l'administration",
)
VOTE = Source(
    4,
    "Inscription sur les listes électorales\n"
    "L'inscription est possible toute l'année. Pour voter à une élection, il faut s'inscrire au "
    "plus tard le 6e vendredi avant le scrutin.\n"
    "Il est interdit de s'inscrire dans deux communes.\n"
    "Les jeunes de 18 ans sont inscrits automatiquement s'ils ont fait le recensement citoyen.\n"
    "La demande se fait à la mairie du domicile, sur place, par courrier ou en ligne.",
    "Liste électorale : nouvelle inscription",
)
WORK = Source(
    5,
    "Congés payés\n"
    "Le salarié acquiert 2,5 jours ouvrables de congés par mois de travail effectif.\n"
    "L'employeur fixe l'ordre des départs après avis du comité social et économique.\n"
    "Sans accord de l'employeur, le salarié ne peut pas reporter ses congés.\n"
    "Le congé principal ne peut excéder 24 jours ouvrables.\n"
    "The employee must inform the employer one month before the date of departure.",
    "Congés payés du salarié",
)
SOURCES = (CARD, PASSPORT, LAW, VOTE, WORK)


def check(sentence: str, sources: tuple[Source, ...] = SOURCES) -> SentenceCheck:
    spans = split_sentences(sentence)
    assert len(spans) == 1, [sentence[span.start : span.end] for span in spans]
    return check_answer(sentence, spans, sources)[0]


FAITHFUL = [
    # to the letter
    "Votre présence est indispensable pour le relevé des empreintes [1].",
    "Le passeport d'un majeur est valable 10 ans et celui d'un mineur 5 ans. [2]",
    "L'inscription est possible toute l'année [4].",
    # paraphrases
    "Pour refaire votre carte d'identité, vous pouvez aller dans n'importe quelle mairie équipée "
    "d'un dispositif de recueil [1].",
    "Vous devez être présent pour que vos empreintes soient relevées, votre présence est "
    "obligatoire [1].",
    "Il faut fournir une photo d'identité conforme aux normes et datant de moins de six mois [1].",
    "Vous devez présenter un justificatif de domicile de moins d'un an [1].",
    "Il faut apporter l'ancienne carte d'identité, une photo d'identité de moins de 6 mois et un "
    "justificatif de domicile de moins d'un an [1].",
    "La pré-demande en ligne n'est pas obligatoire [1].",
    "La pré-demande en ligne est facultative [1].",
    "Si vous avez perdu votre carte, vous devez payer un timbre fiscal de 25 euros [1].",
    "Le renouvellement de la carte est gratuit si vous rendez l'ancienne [1].",
    "La carte est remise dans un délai de 3 mois après la réception du SMS, passé ce délai elle "
    "est détruite [1].",
    "Après trois mois, la carte est détruite [1].",
    "Le lieu de la demande ne dépend pas du domicile [1].",
    "Le passeport d'un adulte coûte 86 € [2].",
    "Pour un mineur de 15 à 17 ans, le passeport coûte 42 € [2].",
    "Le prix est de 17 € pour un mineur de moins de 15 ans [2].",
    "Le passeport d'un mineur est valable cinq ans [2].",
    "Depuis le 01/01/2026, le timbre fiscal s'achète en ligne ou dans un bureau de tabac [2].",
    "Il faut remplir le formulaire cerfa n° 12100*02 pour la demande [2].",
    "Si vous vivez à l'étranger, le consulat vous délivre le passeport [2].",
    "Le silence de l'administration pendant 2 mois vaut acceptation de la demande (article "
    "L231-1) [3].",
    "L'administration doit accuser réception de la demande sous 10 jours ouvrés [3].",
    "Le plafond est fixé à 1200,50 € [3].",
    "Le plafond correspond à 12,5 pour cent du revenu de référence [3].",
    "La règle ne s'applique pas aux demandes à caractère financier [3].",
    "Vous ne pouvez pas vous inscrire dans deux communes [4].",
    "À 18 ans, les jeunes sont inscrits automatiquement s'ils ont fait le recensement citoyen [4].",
    "Vous pouvez vous inscrire à la mairie de votre domicile, par courrier ou en ligne [4].",
    "Il faut s'inscrire au plus tard le 6e vendredi avant le scrutin [4].",
    "C'est l'employeur qui fixe l'ordre des départs, après avis du comité social et économique "
    "[5].",
    "Le salarié ne peut pas reporter ses congés sans l'accord de l'employeur [5].",
    "The employee must inform the employer one month before departure [5].",
    # list items
    "- Une photo d'identité de moins de 6 mois [1]",
    "2. Un justificatif de domicile de moins d'1 an [1]",
    "- **Ancienne carte d'identité** [1]",
    # quotations
    "La carte est remise « dans un délai de trois mois » [1].",
    "Le tarif est : « Majeur : 86 € » [2].",
    "Selon l'article, « le silence gardé pendant deux mois […] vaut décision d'acceptation » [3].",
    "Il faut une « photo d’identité de moins de 6 mois » [1].",
    # several sources
    "Le passeport d'un majeur coûte 86 € [2] et l'inscription sur les listes électorales est "
    "possible toute l'année [4].",
    "Le passeport d'un majeur coûte 86 €, et le silence de l'administration pendant deux mois "
    "vaut acceptation [2][3].",
    # two windows of one passage
    "Votre présence est indispensable pour le relevé des empreintes, et une photo d'identité de "
    "moins de 6 mois est nécessaire [1].",
]

ALTERED = [
    # figures
    ("Le passeport d'un majeur coûte 96 € [2].", "number_mismatch"),
    ("Le passeport d'un majeur coûte 42 € [2].", "number_mismatch"),
    ("Mineur de moins de 17 ans : 17 € [2].", "number_mismatch"),
    ("Le passeport d'un mineur de 15 à 17 ans coûte 86 € [2].", "number_mismatch"),
    ("Le passeport d'un majeur est valable 5 ans [2].", "number_mismatch"),
    ("Il faut une photo d'identité de moins de 3 mois conforme aux normes [1].", "number_mismatch"),
    ("Il faut une photo d'identité de plus de 6 mois conforme aux normes [1].", "number_mismatch"),
    ("Il faut une photo d'identité de moins de 6 ans conforme aux normes [1].", "number_mismatch"),
    ("Le silence pendant trois mois vaut décision d'acceptation [3].", "number_mismatch"),
    ("Le plafond est fixé à 12 005 euros [3].", "number_mismatch"),
    ("Le plafond est de 15 % du revenu de référence [3].", "number_mismatch"),
    (
        "Le silence gardé pendant deux mois vaut décision d'acceptation selon l'article L. 231-4 "
        "[3].",
        "number_mismatch",
    ),
    ("La demande se fait avec le formulaire cerfa n° 12101*02 [2].", "number_mismatch"),
    (
        "Le salarié acquiert 25 jours ouvrables de congés par mois de travail effectif [5].",
        "number_mismatch",
    ),
    # dates
    (
        "Depuis le 1er février 2026, le timbre fiscal s'achète en ligne ou dans un bureau de tabac "
        "[2].",
        "number_mismatch",
    ),
    (
        "Depuis le 01/01/2025, le timbre fiscal s'achète dans un bureau de tabac [2].",
        "number_mismatch",
    ),
    # negations
    ("La pré-demande en ligne est obligatoire [1].", "negation_mismatch"),
    ("Le lieu de la demande dépend de votre domicile [1].", "negation_mismatch"),
    (
        "Votre présence n'est pas indispensable pour le relevé des empreintes [1].",
        "negation_mismatch",
    ),
    ("Vous pouvez vous inscrire dans deux communes [4].", "negation_mismatch"),
    ("Le salarié peut reporter ses congés sans l'accord de l'employeur [5].", "negation_mismatch"),
    (
        "Cette règle s'applique aux demandes présentant un caractère financier [3].",
        "negation_mismatch",
    ),
    ("L'inscription n'est pas possible toute l'année [4].", "negation_mismatch"),
    # who acts, on what condition
    (
        "Vous pouvez vous adresser à toute préfecture équipée d'un dispositif de recueil [1].",
        "not_supported",
    ),
    (
        "Le salarié fixe l'ordre des départs après avis du comité social et économique [5].",
        "not_supported",
    ),
    (
        "Le juge accuse réception de toute demande dans un délai de dix jours ouvrés [3].",
        "not_supported",
    ),
    ("Le renouvellement est payant si vous rendez l'ancienne carte [1].", "not_supported"),
    ("Il faut présenter les copies des documents suivants [1].", "not_supported"),
    ("Vous devez remplir une pré-demande en ligne [1].", "negation_mismatch"),
    (
        "Le silence gardé pendant deux mois par l'administration vaut décision de rejet [3].",
        "not_supported",
    ),
    # inventions
    (
        "Il faut présenter un acte de mariage traduit par un traducteur assermenté [1].",
        "not_supported",
    ),
    (
        "La carte d'identité est remise au guichet par un agent de la police nationale [1].",
        "not_supported",
    ),
    ("La demande de carte d'identité en mairie est immédiate [1].", "partly_supported"),
    (
        "Le timbre fiscal s'achète en ligne et donne droit à une réduction d'impôt [2].",
        "not_supported",
    ),
    (
        "L'inscription est possible toute l'année grâce à un nouveau logiciel ministériel [4].",
        "not_supported",
    ),
    ("La CAF délivre le passeport aux Français qui vivent à l'étranger [2].", "not_supported"),
    # another language
    ("You must provide a proof of address and an identity photograph [1].", "not_supported"),
    # sources
    ("Le passeport d'un majeur coûte 86 € [1].", "found_elsewhere"),
    ("L'inscription est possible toute l'année [3].", "found_elsewhere"),
    ("Votre présence est indispensable pour le relevé des empreintes [9].", "unknown_source"),
    ("Votre présence est indispensable [0].", "unknown_source"),
    # quotations
    ("La carte est remise « dans un délai de quatre mois » [1].", "quote_not_found"),
    ("La carte est remise « au guichet dans un délai de trois mois » [2].", "found_elsewhere"),
    ("Le timbre coûte « 26 € » [1].", "quote_not_found"),
    ("Il faut « présenter les copies des documents suivants » [1].", "quote_not_found"),
    (
        "Vous devez vous présenter, car le texte dit : « s'applique pas aux demandes présentant un "
        "caractère fiscal » [3].",
        "quote_not_found",
    ),
    (
        "La règle dit « s'applique […] aux demandes présentant un caractère financier » [3].",
        "quote_not_found",
    ),
]


@pytest.mark.parametrize("sentence", FAITHFUL)
def test_faithful_sentence_is_supported(sentence: str) -> None:
    result = check(sentence)
    assert result.status == "supported", result
    texts = {source.number: source.text for source in SOURCES}
    for citation in result.citations:
        assert citation.status == "checked"
        assert citation.span is not None
        assert citation.quote == texts[citation.number][citation.span.start : citation.span.end]
        assert sentence[citation.start] == "["


@pytest.mark.parametrize(("sentence", "reason"), ALTERED)
def test_altered_sentence_is_not(sentence: str, reason: str) -> None:
    result = check(sentence)
    assert result.status != "supported", result
    assert [citation.reason for citation in result.citations] == [reason]
    assert all(citation.span is None and citation.quote is None for citation in result.citations)


@pytest.mark.parametrize(
    "sentence",
    [
        "Bonjour !",
        "Avez-vous un passeport valide ?",
        "## Pièces à fournir",
        "**Où faire la demande**",
        "Voici les étapes :",
        "Pour refaire votre carte d'identité, vous devez fournir :",
        "Je ne sais pas.",
        "Les sources ne permettent pas de répondre à cette question.",
        "Les passages fournis ne contiennent pas d'information sur ce point.",
        "The sources do not answer this question.",
    ],
)
def test_neutral(sentence: str) -> None:
    result = check(sentence)
    assert (result.status, result.citations) == ("neutral", ())


@pytest.mark.parametrize(
    "sentence",
    [
        "Votre présence est indispensable pour le relevé des empreintes.",
        "Le passeport coûte 86 €.",
        "Bonjour, le passeport coûte 86 €.",
        "Les sources ne précisent pas le prix, mais le passeport est gratuit.",
        "Les sources ne précisent pas le prix, il est de 25 €.",
        "La préfecture délivre les documents suivants :",
        "Le passeport coûte 12 €, n'est-ce pas ?",
        "## Le passeport est gratuit",
        "- Un acte de naissance",
    ],
)
def test_claim_without_marker_is_unsupported(sentence: str) -> None:
    result = check(sentence)
    assert (result.status, result.citations) == ("unsupported", ())


def test_found_elsewhere_names_the_source() -> None:
    (citation,) = check("Le passeport d'un majeur coûte 86 € [1].").citations
    assert citation.found_in == 2
    (citation,) = check("Le texte dit « les jeunes de 18 ans sont inscrits » [5].").citations
    assert (citation.reason, citation.found_in) == ("found_elsewhere", 4)


def test_one_covering_citation_suffices_and_the_other_is_failed() -> None:
    result = check("L'inscription est possible toute l'année [4][5].")
    assert result.status == "supported"
    assert [citation.status for citation in result.citations] == ["checked", "failed"]


def test_each_marker_vouches_for_its_own_stretch() -> None:
    result = check(
        "Votre présence est indispensable pour le relevé des empreintes [1] et le passeport d'un "
        "majeur coûte 96 € [2]."
    )
    assert result.status == "unsupported"
    assert [citation.status for citation in result.citations] == ["checked", "failed"]


def test_quotation_cut_out_of_a_denial_is_refused() -> None:
    result = check("Il est dit que « une obligation » s'applique : « pas une obligation » [1].")
    assert result.status != "supported"
    denied = Source(1, "Il n'est pas obligatoire de prendre rendez-vous avant de venir.")
    result = check("« obligatoire de prendre rendez-vous » [1].", (denied,))
    assert result.citations[0].reason == "negation_mismatch"


def test_span_of_a_quotation_is_exact() -> None:
    (citation,) = check("« photo d’identité de moins de 6\u00a0mois » [1].").citations
    assert citation.quote == "Photo d'identité de moins de 6 mois"


def test_offsets_are_in_the_whole_answer() -> None:
    answer = "Bonjour 👋 ! L'inscription est possible toute l'année. [4]\nFin :"
    greeting, claim, heading = check_answer(answer, split_sentences(answer), SOURCES)
    assert (greeting.status, claim.status, heading.status) == ("neutral", "supported", "neutral")
    marker = claim.citations[0]
    assert answer[marker.start : marker.end] == "[4]"


def test_markers() -> None:
    text = "a [1] b [2, 3][4] c 【5】 d 【6†fiche】 e [7-9] f [Source 10] g [2020 h [x]"
    found = find_markers(text)
    numbers = [marker.numbers for marker in found]
    assert numbers == [(1,), (2, 3), (4,), (5,), (6,), (7, 8, 9), (10,)]
    assert [text[m.start : m.end] for m in found][:3] == ["[1]", "[2, 3]", "[4]"]


def test_quotations() -> None:
    text = 'Il dit « un deux » puis “trois” et "quatre".'
    assert [quotation.text for quotation in find_quotations(text)] == [
        " un deux ",
        "trois",
        "quatre",
    ]


def test_two_sources_of_one_number_are_refused() -> None:
    with pytest.raises(ValueError, match="same number"):
        CitationChecker([Source(1, "a"), Source(1, "b")])


def test_empty_source_and_empty_answer() -> None:
    assert check_answer("", split_sentences(""), SOURCES) == ()
    assert check("Une affirmation complète [1].", (Source(1, ""),)).status == "unsupported"


LINES = [(source, line) for source in SOURCES for line in source.text.split("\n") if len(line) > 30]


@given(st.sampled_from(LINES), st.data())
def test_a_quotation_from_a_source_is_found_where_it_stands(
    chosen: tuple[Source, str], data: st.DataObject
) -> None:
    source, line = chosen
    words = re.split(r" (?!\d{3}\b)", line.rstrip("."))  # « 1 200 » is one figure
    first = data.draw(st.integers(0, len(words) - 3))
    last = data.draw(st.integers(first + 3, len(words)))
    quoted = " ".join(words[first:last])
    span = locate_quotation(quoted.replace("'", "’").upper().lower(), source.text)
    assert span is not None
    assert fold(source.text[span.start : span.end]).text == fold(quoted.rstrip(".,;: ")).text
    altered = words[first:last]
    place = data.draw(st.integers(0, len(altered) - 1))
    altered[place] = "zz" + altered[place]
    assert locate_quotation(" ".join(altered), source.text) is None


FIGURES = [line for line in LINES if any(c.isdigit() for c in line[1]) and ". " not in line[1]]


@settings(deadline=None)
@given(st.sampled_from(FIGURES), st.data())
def test_an_altered_digit_is_never_supported(
    chosen: tuple[Source, str], data: st.DataObject
) -> None:
    source, line = chosen
    places = [index for index, character in enumerate(line) if character.isdigit()]
    place = data.draw(st.sampled_from(places))
    digit = data.draw(st.sampled_from([d for d in "123456789" if d != line[place]]))
    altered = line[:place] + digit + line[place + 1 :]
    if altered in source.text:
        return
    answer = f"{altered.rstrip('.')} [{source.number}]."
    result = check_answer(answer, split_sentences(answer), SOURCES)
    assert result[-1].status == "unsupported"


@settings(max_examples=200)
@given(st.text(alphabet="abé 1%.«»\"[]【】'\n€12-,:*", max_size=80))
def test_any_answer_is_judged_without_error(answer: str) -> None:
    for sentence in check_answer(answer, split_sentences(answer), SOURCES):
        assert sentence.status in ("supported", "unsupported", "neutral")
        for citation in sentence.citations:
            assert (citation.span is None) == (citation.status == "failed")
            assert (citation.reason is None) == (citation.status == "checked")


def test_span_type() -> None:
    assert locate_quotation("deux mois par", LAW.text) == Span(
        LAW.text.index("deux mois par"), LAW.text.index("deux mois par") + 13
    )
