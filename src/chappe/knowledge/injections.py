"""Orders to a model, hidden in documents: found, so that nobody obeys them and the owner is told.

A document is quoted to a model between delimiters, and it is told not to obey; a weak one may obey
all the same. What reads like an order to it is therefore taken out of what it is shown and of what
its sentences are checked against. Patterns only, French and English: they find what is usual, and
`benchmarks/injections` says how much that is.
"""

# ruff: noqa: E501 - a pattern is read more easily on one line

import base64
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from chappe.knowledge.reading.model import Issue, ReadDocument

Kind = Literal["override", "persona", "dictation", "markup", "secret", "tool", "hidden"]

_OF_INSTRUCTIONS = (
    r"(?:instruct(?:- )?ions?|consignes?|directives?|regles|ordres|invites?|prompts?|contexte|contraintes|"
    r"indications|rules|guidelines|constraints|context)"
)
_FORGET = (
    r"(?:[il1|]gnor(?:e[rz]?|ons|ing)|oubli(?:e[rz]?|ons)|neglig(?:e[rz]?|eons)|disregard|forget|override|"
    r"ne (?:tiens|tenez|tenons|tenir) (?:pas |aucun |plus )*compte|ne pas tenir compte|"
    r"fai(?:s|tes|re|sons) abstraction|pass(?:e|ez|er) outre|contourne[rz]?|desobei\w*|bypass|"
    r"ne (?:suis|suivez|respectez|respecte) (?:pas|plus)(?= (?:les|tes|vos|ces) (?:instructions|consignes)))"
)
_TOLD = (
    r"(?:(?:ce|tout ce) qui (?:precede|suit|vous a ete dit|t'a ete dit|a ete dit|est ecrit|figure)|"
    r"tout ce que (?:l'on|on|je|nous)\s+(?:vous|t'|te)?\s*\w*|ce que l'on (?:vous|t')|"
    r"le (?:contenu|texte|document|reste|code|contexte|site|message)\b|"
    r"la (?:page|fonction|question|demande|conversation)\b|l'(?:article|utilisateur)\b|cela\b|"
    r"(?:everything|anything|what|all)\b[^.\n]{0,20}\b(?:above|before|said|told|precedes)|"
    r"the (?:above|text|content|page|document|question|webpage))"
)
_MODEL = (
    r"(?:assistants?|modeles? (?:de langage|d'ia|linguistiques?)|chatbots?|ia|ai|llm|gpt|chatgpt|copilot|"
    r"language models?|large language models?|agents? conversationnels?|robots? conversationnels?|"
    r"intelligences? artificielles?)"
)
_SAY = (
    r"(?:di[st]|dites|repond[sz]?|repondez|repondre|affirme[zr]?|indique[zr]?|ecri[st]|ecrivez|"
    r"redige[zr]?|declare[zr]?|annonce[zr]?|conclu[st]|concluez|affiche[zr]?|say|answer|reply|respond|"
    r"state|tell|write|output|print|claim)"
)
_PATTERNS: tuple[tuple[Kind, str], ...] = (
    (
        "override",
        rf"\b{_FORGET}\b[^.\n]{{0,40}}?\b{_OF_INSTRUCTIONS}\b[^.\n]{{0,30}}?\b(?:precedent\w*|"
        r"anterieur\w*|initial\w*|ci-dessus|qui (?:precede|suiv)\w*|du systeme|systeme|recue?s|donnee?s|"
        r"previous|prior|above|earlier|original|system|existantes?|de securite)\b",
    ),
    (
        "override",
        rf"\b{_FORGET}\b\s+(?:toutes |tous |all |any )?(?:the |les |tes |vos |ces |your |these |my |mes )?"
        rf"(?:previous |prior |above |earlier |precedente?s? )?{_OF_INSTRUCTIONS}\b"
        r"(?=\s*(?:[.!:;,\n]|$|et\b|and\b|puis\b|ci\b|above\b))",
    ),
    ("override", rf"\b{_FORGET}\b\s+(?:donc |maintenant |now |completement )?(?:de )?{_TOLD}[^.\n]{{0,40}}?\b(?:et|and|puis|then)\b\s+(?:\w+\s+)?(?:{_SAY}|donne[zr]?|give|demande[zr]?|ask|fai[st]|faites|recommande[zr]?|invite[zr]?|genere[zr]?|ajoute[zr]?)\b"),
    ("override", rf"\b{_FORGET}\b\s+(?:de )?(?:ce|tout ce) qu\w+ (?:precede|vous a ete dit|t'a ete dit|(?:l')?on (?:vous|t')\s*a dit)"),
    ("override", rf"\b{_FORGET}\b\s+(?:toutes? |tous |de )?(?:les? |la |l'|the |ces? |cette )?\w+(?: \w+)?\s*(?:,|:|\bet\b|\band\b)\s*(?:\w+ )?(?:{_SAY}|imprime[zr]?|print)\b"),
    ("override", rf"\b{_FORGET}\b\s+(?:toutes? |tous |all )?(?:les? |the )?(?:regles?|rules?|consignes?|instructions?) qui\b"),
    ("override", rf"\b(?:annule(?:nt)?|remplace(?:nt)?|rempla[cs]ent|contredi(?:t|sent)|priment? sur|overrides?|supersedes?|replaces?)\b (?:toutes )?(?:tes|vos|your|les|all) (?:\w+ )?{_OF_INSTRUCTIONS}\b"),
    ("override", rf"\b{_OF_INSTRUCTIONS}\b (?:que (?:tu as|vous avez) \w+|precedentes?|anterieures?|initiales?) ne (?:valent|sont|s'appliquent|comptent) (?:plus|pas)"),
    ("persona", rf"\b(?:a |pour )?(?:toute?s?|chaque|any|every|all) (?:les? )?{_MODEL}\b[^.\n]{{0,15}}\b(?:qui|that|which|who|reading)\b"),
    ("persona", r"\b(?:fais|faites|act|behave) (?:comme si|as if|as though) (?:tu|vous|you)\b[^.\n]{0,30}\b(?:n'avais|n'aviez|had no|regles?|rules?|limites?|filtres?)\b"),
    ("persona", rf"\b(?:en tant qu[e']\s?|as an?)\s*(?:une? )?{_MODEL}\b\W{{1,3}}(?:tu|vous|you)\b"),
    ("dictation", r"\b(?:remplace[rz]?|replace) (?:ta|votre|la|your|the) (?:reponse|answer|response)\b"),
    ("dictation", rf"\b(?:from now on|desormais|dorenavant)\b\W{{1,3}}(?:you|tu|vous)?\s*(?:will |must |should |only |ne )*\b(?:{_SAY}|donne[zr]?)\b"),
    ("tool", r"\b(?:appeler|utiliser|invoquer|executer|lancer|appelle[zr]?|call|use) (?:l'|the )?(?:outil|fonction|tool|function) [`«\"']"),
    ("override", r"\bignorier\w* [^.\n]{0,30}anweisungen|\bignor\w* (?:todas )?(?:las|os|as|le|tutte le) (?:instrucciones|instrucoes|istruzioni|regras|reglas)|忽略.{0,6}(?:指示|指令|说明)|無視して|تجاهل.{0,12}(?:التعليمات|تعليمات)|игнорируй\w* .{0,20}инструкци"),
    ("persona", r"\bmode (?:de )?contournement\b|<\s*/?\\?\s*system\b[^>\n]{0,30}>|\bje suis (?:votre|ton) (?:developpeur|administrateur|createur)\b"),
    ("dictation", rf"\b(?:{_SAY}|imprime[zr]?|fournir les informations suivantes)\b\s*(?:ce qui suit|the following)?\s*:\s*«?\s*(?:votre compte|your account)|\b(?:{_SAY}|imprime[zr]?) (?:ce qui suit|the following)\s*:"),
    ("dictation", r"\b(?:imaginons|supposons|considerons|admettons|dans un (?:monde|univers|scenario)|pour les besoins de cet exercice|pour rendre les choses plus interessantes|pour remettre en cause)\b[^.\n]{0,140}\b(?:nous (?:pourrions|ignorions|ignorons|disons|declarons|declarions|affirmons)|disons que|supposons que|pourrait etre «)"),
    ("override", r"\b(?:nouvelles?|new|updated) (?:instructions?|consignes?|directives?)\b[^.\n]{0,30}(?::|pour (?:l'|le )?" + _MODEL + r"|for (?:the )?" + _MODEL + ")"),
    ("override", rf"\b(?:instructions?|consignes?|message|note|avis|attention|important)\b[^.\n]{{0,25}}\b(?:a (?:l'attention (?:de|d[eu']s?) ?)?(?:l'|la |le |tout |toute |les |aux )?|pour (?:l'|la |le |tout |toute |les )?|aux? |for (?:the |any |all )?|to (?:the |any |all )?){_MODEL}\b"),
    (
        "persona",
        r"\b(?:tu es|vous etes|you are)\b\s+(?:desormais|maintenant|dorenavant|now|from now on)\b",
    ),
    ("persona", rf"\b(?:agis|agissez|comporte-toi|comportez-vous|act|behave|pretend|fais semblant|faites semblant)\b\s+(?:comme|en tant que|as|to be|d'etre|like)\b[^.\n]{{0,30}}\b(?:{_MODEL}|dan|administrateur|root|developpeur|expert)\b"),
    ("persona", rf"\b(?:si (?:tu es|vous etes)|if you are|en tant qu[e']\s?|as an?)\s*(?:une? )?{_MODEL}\b[^.\n]{{0,60}}\b(?:{_SAY}|doi[st]|devez|must|should|ignore\w*|recommande\w*)\b"),
    ("persona", r"\b(?:mode (?:developpeur|dan|sans filtre|debridage|administrateur)|developer mode|jailbreak|do anything now)\b"),
    (
        "dictation",
        rf"\b(?:{_SAY})\b\s+(?:toujours |uniquement |seulement |simplement |exactement |only |always |"
        r"simply |just )*(?:a |to )?(?:l'utilisateur|au lecteur|the user|users?)\b",
    ),
    ("dictation", rf"\b(?:{_SAY})\b\s+(?:toujours|uniquement|seulement|exactement|only|always|exactly)\b\s*(?::|que\b|par\b|«|\"|with\b|that\b|ok\b|oui\b|non\b)"),
    ("dictation", rf"\b(?:quelle que soit|peu importe|whatever|regardless of)\b[^.\n]{{0,25}}\b(?:question|demande|request)\b[^.\n]{{0,40}}\b{_SAY}\b"),
    ("dictation", r"\b(?:ta|votre|your) (?:reponse|answer|response)\b[^.\n]{0,20}\b(?:doit|devra|must|should)\b[^.\n]{0,20}\b(?:etre|contenir|commencer|inclure|be|contain|include|start|begin)\b"),
    ("dictation", rf"\b(?:l'{_MODEL}|le {_MODEL}|the {_MODEL}|cette ia)\b\s+(?:doit|devra|must|should|shall)\b[^.\n]{{0,30}}\b{_SAY}\b"),
    ("markup", r"<\|[a-z_]{3,20}\|>|\[/?inst\]|<</?sys>>|</?(?:system|assistant|user|tool_call|function_call)>|^\s*#{2,4}\s*(?:system|instruction|assistant|user)\s*:|^\s*(?:system|assistant)\s*:\s"),
    ("markup", r"\b(?:debut|fin|begin|end)\s+passage-?[0-9a-f]*\b|\bfin (?:des|du) (?:passages?|documents?|sources?)\b\s*[.:\]\n]|\bend of (?:passages?|documents?|context)\b"),
    ("secret", r"\b(?:revele[zr]?|revelez|divulgue[zr]?|affiche[zr]?|donne[zr]?|montre[zr]?|repete[zr]?|recopie[zr]?|reveal|print|show|repeat|leak|disclose)\b[^.\n]{0,25}\b(?:(?:ton|votre|le|your|the|tes|vos) )?(?:prompt|invite|instructions?) (?:systeme|initiales?|system|caches?|secretes?)\b|\b(?:reveal|print|show|repeat)\b[^.\n]{0,20}\bsystem prompt\b|\bprompt systeme\b"),
    ("tool", r"\b(?:appelle[zr]?|appelez|utilise[zr]?|invoque[zr]?|execute[zr]?|lance[zr]?|call|invoke|use|run|execute)\b\s+(?:immediatement |maintenant |now )?(?:l'|la |le |the |your )?(?:outil|fonction|commande|tool|function|command|plugin)\b\s+[`«\"']?\w*[_(.]\w*"),
    ("tool", r"!\[[^\]]{0,80}\]\(https?://[^)\s]{1,200}[?&][^)\s]{0,100}=[^)\s]{0,100}(?:\{|%7b|<|\[|votre|your|donnees|data)"),
    ("tool", r"\b(?:envoie|envoyez|transmets|transmettez|exfiltre\w*|send|forward|post)\b[^.\n]{0,40}\b(?:conversation|historique|donnees (?:de l'|personnelles de l')utilisateur|question (?:de l'|du )\w+|chat history|user's? (?:data|question|messages?))\b"),
)  # fmt: skip
_COMPILED = tuple((kind, re.compile(pattern, re.MULTILINE)) for kind, pattern in _PATTERNS)
_HEX = re.compile(r"(?<![\w])(?:[0-9a-fA-F]{2}\s?){20,}(?![\w])")
_BINARY = re.compile(r"(?:[01]{8}\s?){20,}")
_BASE64 = re.compile(r"(?<![\w+/=])[A-Za-z0-9+/]{40,}={0,2}(?![\w+/=])")
_PLAIN = {
    code: unicodedata.normalize("NFD", chr(code))[0]
    for code in (*range(0xC0, 0x180), *range(0x1E00, 0x1F00))
} | {ord(c): "'" for c in "’‘ʼ"} | {ord(c): " " for c in "\u00a0\u202f\u2009"}  # fmt: skip
_ENCODINGS: tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...] = (
    (_BASE64, lambda text: base64.b64decode(text, validate=True)),
    (_HEX, bytes.fromhex),
    (_BINARY, lambda text: bytes(int(bits, 2) for bits in re.findall("[01]{8}", text))),
)
_SENTENCE_BEFORE = re.compile(r"(?:[.!?…»\"\])][\s\u00a0]+|\n)")
_LONGEST_QUOTE = 300
_MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Attempt:
    """A passage that reads like an order to a model.

    The half-open span, in code points of the text, goes from its sentence to the end of its
    paragraph, since what follows an order is usually what it wants said. ``quote``: what was
    recognised, shortened.
    """

    kind: Kind
    start: int
    end: int
    quote: str


def find_attempts(text: str, hidden: Sequence[tuple[int, int]] = ()) -> list[Attempt]:
    """The orders to a model in a text, in its order, disjoint.

    ``hidden``: spans that a reader of the document doesn't see; an order there is told as such.
    """
    folded = _folded(text)
    found: list[Attempt] = []
    for kind, pattern in _COMPILED:
        for match in pattern.finditer(folded):
            found.append(_attempt(text, kind, match.start(), match.end(), hidden))
    for pattern, decode in _ENCODINGS:
        for match in pattern.finditer(text):
            try:
                told = decode(match.group()).decode("utf-8")
            except (ValueError, UnicodeDecodeError):  # binascii.Error is a ValueError
                continue
            if any(known.search(_folded(told)) for _, known in _COMPILED):
                found.append(_attempt(text, "hidden", match.start(), match.end(), hidden))
    found.sort(key=lambda attempt: (attempt.start, -attempt.end))
    kept: list[Attempt] = []
    for attempt in found:
        if kept and attempt.start < kept[-1].end:
            last = kept[-1]
            end = max(last.end, attempt.end)
            kept[-1] = Attempt(last.kind, last.start, end, last.quote)
        else:
            kept.append(attempt)
    return kept


def masked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text with spans blanked: no order and nothing hidden in it, every offset as it was."""
    for start, end in spans:
        text = text[:start] + re.sub(r"[^\n]", " ", text[start:end]) + text[end:]
    return text


def without_orders(text: str) -> str:
    """A short text (a title, a heading) without what reads like an order to a model."""
    return masked(text, [(a.start, a.end) for a in find_attempts(text)]).strip()


def suspicions(read: ReadDocument) -> list[Issue]:
    """What is to be told to a document's owner: orders to a model in its text or its metadata.

    Nothing is missing of what was read: they stay in the text, which answers aren't made from.
    """
    issues = [
        Issue("injection_suspected", _page_of(read, attempt.start), {"quote": attempt.quote})
        for attempt in find_attempts(read.text, read.hidden)[:_MOST_TOLD]
    ]
    for name, value in {"title": read.title, **read.metadata}.items():
        if isinstance(value, str):
            issues += [
                Issue("injection_in_metadata", None, {"field": name, "quote": attempt.quote})
                for attempt in find_attempts(value)[:_MOST_TOLD]
            ]
    return issues


def _page_of(read: ReadDocument, position: int) -> int | None:
    return next((p.number for p in read.pages if p.start <= position < p.end), None)


def _attempt(
    text: str, kind: Kind, start: int, end: int, hidden: Sequence[tuple[int, int]]
) -> Attempt:
    line = text.rfind("\n", 0, start) + 1
    first = line
    for match in _SENTENCE_BEFORE.finditer(text, line, start):
        first = match.end()
    last = _end_of_line(text, end)
    if text[first:last].rstrip().endswith(":"):
        last = _end_of_line(text, len(text) - len(text[last:].lstrip()))
    elif kind == "markup" and text[last + 1 : last + 2].strip():
        last = _end_of_line(text, last + 1)
    if any(a < end and start < b for a, b in hidden):
        kind = "hidden"
    quote = " ".join(text[first : min(last, first + _LONGEST_QUOTE)].split())
    return Attempt(kind, first, last, quote)


def _end_of_line(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end == -1 else end


def _folded(text: str) -> str:
    """Lower case without accents and with plain apostrophes; every offset as it was."""
    lower = text.lower()
    if len(lower) != len(text):  # « İ » becomes two
        lower = "".join(each if len(each) == 1 else other for each, other in _lowered(text))
    return lower.translate(_PLAIN)


def _lowered(text: str) -> Iterator[tuple[str, str]]:
    for character in text:
        yield character.lower(), character
