"""Incremental segmentation of a streamed French or English answer into sentences.

The segmentation of a text does not depend on how it is cut into pieces: an end of sentence is
given out only once the text that follows can no longer change it.
"""

import re
from dataclasses import dataclass

from chappe.assistant.lexicon import word_list

MARKER = re.compile(
    r"\[\s*\^?(?:sources?|passages?|documents?|extraits?|n°)?\s*"
    r"(?P<square>\d{1,4}(?:\s*[,;\-\u2013]\s*\d{1,4})*)\s*\]"
    r"|【\s*(?P<wide>\d{1,4}(?:\s*[,;\-\u2013]\s*\d{1,4})*)(?:†[^】\n]{0,40})?\s*】",
    re.IGNORECASE,
)
"""A citation marker: [1], [1, 2], [1-3], [source 1], [^1], 【1】, 【1†fiche】."""

_MARKER_LIMIT = 64
_QUOTATION_LIMIT = 500
_TERMINATORS = frozenset(".!?…")
_CLOSERS = frozenset("»\"”’')*_")
_OPENERS_OF_MARKER = frozenset("[【")
_BLANKS = frozenset(" \t\u00a0\u202f\u2009")
_ABBREVIATED = frozenset(
    word_list(
        """
    mm mme mmes mlle mlles dr drs pr mgr ste art cf ex pp vol chap tél env bd av approx fig réf
    obs mr mrs ms vs prof arr coll
    """
    )
)
_ABBREVIATED_BEFORE_DIGIT = frozenset(
    word_list("janv févr avr juil sept oct nov déc al no ch sec ann alin")
)
_TAKES_A_LETTER = re.compile(
    r"(?:permis|catégories?|classes?|groupes?|types?|niveaux?|zones?|annexes?|plan|category"
    r"|hépatite|licence|class|group|zone)\s+$",
    re.IGNORECASE,
)
_LIST_MARK = re.compile(r"\s*(?:[-*•–—]\s+)?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,4})$")
_WORD_BEFORE = re.compile(r"[\w.\u00b0]+$")


@dataclass(frozen=True, slots=True)
class SentenceSpan:
    """A sentence of an answer: half-open span in code points of the whole answer."""

    index: int
    start: int
    end: int


class SentenceStream:
    """Cuts a streamed text into sentences.

    Spans are disjoint and ordered, and everything outside them is white space. Citation markers
    that follow a full stop belong to the sentence before. A line break ends a sentence; nothing is
    cut inside « … » or "…" of reasonable length.
    """

    def __init__(self) -> None:
        self._buffer = ""
        self._base = 0
        self._scan = 0
        self._quotes: list[tuple[str, int]] = []
        self._count = 0
        self._closed = False

    def feed(self, text: str) -> list[SentenceSpan]:
        """Add streamed text; give the sentences that are now certainly complete."""
        if self._closed:
            raise ValueError("the stream is closed")
        self._buffer += text
        return self._drain()

    def close(self) -> list[SentenceSpan]:
        """End the text; give what remains as sentences. Later calls of `feed` are errors."""
        if self._closed:
            return []
        self._closed = True
        spans = self._drain()
        spans.extend(self._cut(len(self._buffer)))
        return spans

    def _drain(self) -> list[SentenceSpan]:
        spans: list[SentenceSpan] = []
        while self._scan < len(self._buffer):
            character = self._buffer[self._scan]
            if character == "\n":
                spans.extend(self._cut(self._scan + 1))
            elif character in _TERMINATORS:
                reach = self._reach_of_terminator(self._scan)
                if reach is None:
                    break
                after, is_end = reach
                if is_end:
                    spans.extend(self._cut(after))
                else:
                    self._scan = after
            else:
                self._track_quotation(character, self._scan)
                self._scan += 1
        return spans

    def _track_quotation(self, character: str, position: int) -> None:
        absolute = self._base + position
        if self._quotes and absolute - self._quotes[-1][1] > _QUOTATION_LIMIT:
            self._quotes.clear()
        if character in "«“":
            self._quotes.append((character, absolute))
        elif character in "»”":
            if self._quotes:
                self._quotes.pop()
        elif character == '"':
            if self._quotes and self._quotes[-1][0] == '"':
                self._quotes.pop()
            else:
                self._quotes.append((character, absolute))

    def _cut(self, end: int) -> list[SentenceSpan]:
        """Take the buffer up to `end` away, as one sentence unless it is blank."""
        piece = self._buffer[:end]
        start = self._base + len(piece) - len(piece.lstrip())
        stop = self._base + len(piece.rstrip())
        self._buffer = self._buffer[end:]
        self._base += end
        self._scan = 0
        self._quotes.clear()
        if start >= stop:
            return []
        self._count += 1
        return [SentenceSpan(self._count - 1, start, stop)]

    def _reach_of_terminator(self, position: int) -> tuple[int, bool] | None:
        """Judge the terminator at `position`: where to go on, and whether a sentence ends there.

        None: the text that is still to come may change the answer.
        """
        text, length = self._buffer, len(self._buffer)
        after = position
        while after < length and text[after] in _TERMINATORS:
            after += 1
        if after == length and not self._closed:
            return None
        closed_at = self._pass_closers(after)
        if closed_at is None:
            return None
        tail = self._pass_markers(closed_at)
        if tail is None:
            return None
        end, marked = tail
        follow = end
        while follow < length and text[follow] in _BLANKS:
            follow += 1
        if follow == length and not self._closed:
            return None
        following = text[follow] if follow < length else "\n"
        if following == "\n":
            return end, True
        if self._still_quoted(after, closed_at):
            return after, False
        if marked:
            return end, True
        glued = follow == end
        plain_stop = text[position:after] == "." and closed_at == after
        abbreviated = plain_stop and (
            self._is_abbreviation(position, following) or self._is_list_mark(position)
        )
        if glued or following.islower() or abbreviated:
            return after, False
        return end, True

    def _still_quoted(self, after: int, closed_at: int) -> bool:
        depth = len(self._quotes)
        for character in self._buffer[after:closed_at]:
            if character in "»”" or (character == '"' and self._quotes[-1:] != []):
                depth -= 1
        if depth <= 0:
            return False
        return self._base + after - self._quotes[-1][1] <= _QUOTATION_LIMIT

    def _pass_closers(self, position: int) -> int | None:
        """Go past closing quotation marks and brackets; None when more text is needed."""
        text, length = self._buffer, len(self._buffer)
        end = position
        while True:
            probe = end
            while probe < length and text[probe] in _BLANKS:
                probe += 1
            if probe == length:
                return end if self._closed else None
            character = text[probe]
            if character == "»" or (character in _CLOSERS and probe == end):
                end = probe + 1
                continue
            return end

    def _pass_markers(self, position: int) -> tuple[int, bool] | None:
        """Go past citation markers (and a stop behind them); None when more text is needed."""
        text, length = self._buffer, len(self._buffer)
        end, marked = position, False
        while True:
            probe = end
            while probe < length and text[probe] in _BLANKS:
                probe += 1
            if probe == length:
                return (end, marked) if self._closed else None
            if text[probe] in _OPENERS_OF_MARKER:
                match = MARKER.match(text, probe)
                if match is not None:
                    end, marked = match.end(), True
                    continue
                rest = text[probe : probe + _MARKER_LIMIT]
                undecided = len(rest) < _MARKER_LIMIT and not set("]】\n") & set(rest)
                return None if undecided and not self._closed else (end, marked)
            if marked and probe == end and text[probe] in ".,;":
                end = probe + 1
                continue
            return end, marked

    def _is_abbreviation(self, position: int, following: str) -> bool:
        match = _WORD_BEFORE.search(self._buffer, max(0, position - 24), position)
        if match is None:
            return False
        word = match.group().lower().rsplit(".", 1)[-1]
        if len(word) == 1 and word.isalpha():
            before = self._buffer[max(0, match.start() - 24) : match.start()]
            return _TAKES_A_LETTER.search(before) is None
        if word in _ABBREVIATED:
            return True
        return following.isdigit() and word in _ABBREVIATED_BEFORE_DIGIT

    def _is_list_mark(self, position: int) -> bool:
        line_start = self._buffer.rfind("\n", 0, position) + 1
        return _LIST_MARK.match(self._buffer[line_start:position]) is not None


def split_sentences(text: str) -> list[SentenceSpan]:
    """Cut a whole text into sentences, exactly as `SentenceStream` does piece by piece."""
    stream = SentenceStream()
    return stream.feed(text) + stream.close()
