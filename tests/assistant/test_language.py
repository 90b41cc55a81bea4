import pytest

from chappe.assistant.language import question_language


@pytest.mark.parametrize(
    ("question", "language"),
    [
        ("Comment renouveler ma carte d'identité ?", "fr"),
        ("How do I renew my identity card?", "en"),
        ("Wie viel kostet ein Reisepass für mein Kind?", "de"),
        ("¿Cuánto cuesta el pasaporte para mi hijo?", "es"),
        ("Quanto costa il passaporto per mio figlio?", "it"),
        ("Hoe kan ik mijn paspoort aanvragen?", "nl"),
        ("Quanto custa o passaporte e onde posso pedir?", "pt"),
        ("كم تبلغ رسوم جواز السفر؟", "ar"),
        ("Сколько стоит паспорт для ребёнка?", "ru"),
        ("Скільки коштує паспорт для моєї дитини?", "uk"),
        ("护照多少钱？", "zh"),
        ("passeport", None),
        ("RSA 2024", None),
        ("", None),
    ],
)
def test_the_language_of_a_question(question: str, language: str | None) -> None:
    assert question_language(question) == language
