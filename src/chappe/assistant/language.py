"""The language to answer in: that of the question, by its script and its small words."""

import re
from typing import Literal, get_args

from chappe.assistant.lexicon import word_list

AnswerLanguage = Literal["fr", "en", "de", "es", "it", "nl", "pt", "ar", "ru", "uk", "zh"]
ANSWER_LANGUAGES: tuple[AnswerLanguage, ...] = get_args(AnswerLanguage)
ENGLISH_NAMES: dict[str, str] = {
    "fr": "French",
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "it": "Italian",
    "nl": "Dutch",
    "pt": "Portuguese",
    "ar": "Arabic",
    "ru": "Russian",
    "uk": "Ukrainian",
    "zh": "Chinese",
}

_WORD = re.compile(r"[^\W\d_]+")
_UKRAINIAN = re.compile(r"[іїєґІЇЄҐ]")
_SCRIPTS: tuple[tuple[AnswerLanguage, re.Pattern[str]], ...] = (
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
)
# Words that are common in one of these languages and aren't words of the others.
_HINTS: dict[AnswerLanguage, frozenset[str]] = {
    "fr": frozenset(
        word_list(
            """
    le les des du est une pour dans avec sur quel quelle quels quelles combien où comment faut
    puis-je peut je mon ma mes il elle nous vous qui quoi pas ne et ou aux ce cette ça
    """
        )
    ),
    "en": frozenset(
        word_list(
            """
    the is are how what where when which who my your can does do should to of for with without
    need and or am i it this that if
    """
        )
    ),
    "de": frozenset(
        word_list(
            """
    der die das ein eine ich wie was wo wann wer mein meine kann muss ist sind und oder nicht für
    mit von zu den dem einen welche welcher welches
    """
        )
    ),
    "es": frozenset(
        word_list(
            """
    el los las una cómo como qué cuál cuánto cuánta dónde cuándo quién mi mis puedo debo es son y
    para con por del al hay necesito tengo
    """
        )
    ),
    "it": frozenset(
        word_list(
            """
    il lo gli una come che quale quanto quanti dove quando chi mio mia posso devo è sono e per con
    del della nel serve servono ho
    """
        )
    ),
    "nl": frozenset(
        word_list(
            """
    het een hoe wat waar wanneer wie mijn kan moet is zijn en of niet voor met van naar welke ik
    """
        )
    ),
    "pt": frozenset(
        word_list(
            """
    o os uma como que qual quanto onde quando quem meu minha posso devo é são e para com do da no
    na preciso tenho não
    """
        )
    ),
}


def question_language(text: str) -> AnswerLanguage | None:
    """The language of a question; `None` when its words tell none (a name, two nouns)."""
    letters = sum(character.isalpha() for character in text)
    for language, script in _SCRIPTS:
        if len(script.findall(text)) > letters / 2:
            return "uk" if language == "ru" and _UKRAINIAN.search(text) else language
    words = [word.lower() for word in _WORD.findall(text.replace("’", "'"))]
    scores = {language: sum(w in hints for w in words) for language, hints in _HINTS.items()}
    best = max(scores, key=lambda language: scores[language])
    second = max(score for language, score in scores.items() if language != best)
    return best if scores[best] > second else None
