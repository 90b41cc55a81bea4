"""The words of a PDF's page, with their places and looks, from PDFium's characters."""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass

import pypdfium2.raw as pdfium

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.words import ITEM, Turn, Word

_HYPHENS = (0x02, 0xFFFE)  # how PDFium gives a hyphen at a line's end
_LIGATURES = {
    0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st",
    0xFB06: "st", 0x132: "IJ", 0x133: "ij",
}  # fmt: skip
_SPACES = frozenset((0x09, 0x0A, 0x0D, 0x20, 0xA0, 0x2002, 0x2003, 0x2007, 0x2009, 0x202F, 0x3000))
_BOLD = ("bold", "black", "heavy", "semibold", "demi")
_BOLD_WEIGHT = 600
_TINY_POINTS = 1.0
_PALE = 200  # of 255: from here on a fill colour may vanish on white paper
_INVISIBLE_MODES = (3, 7)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page's own coordinates become points from its top left corner as displayed."""

    left: float
    bottom: float
    right: float
    top: float
    rotation: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as displayed."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.rotation in (90, 270) else (width, height)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """A point as displayed."""
        if self.rotation == 90:
            return y - self.bottom, x - self.left
        if self.rotation == 180:
            return self.right - x, y - self.bottom
        if self.rotation == 270:
            return self.top - y, self.right - x
        return x - self.left, self.top - y

    def box(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        """Left, top, right, bottom as displayed."""
        x1, y1 = self.point(left, bottom)
        x2, y2 = self.point(right, top)
        return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


@dataclass(frozen=True, slots=True)
class _Style:
    """What the characters of one text object share."""

    size: float
    bold: bool
    level: int
    mark: int
    turn: Turn
    suspect: bool
    invisible: bool


@dataclass(slots=True)
class PageText:
    """A page's words; ``suspects``: indices of words whose look makes one doubt they are seen.

    ``unmapped``: characters of which the file doesn't say what they are; ``private``: those that
    have a meaning in their font only, as many bullets; ``invisible``: characters drawn without ink,
    as under a scanned image; ``characters``: all of them.
    """

    words: list[Word]
    suspects: list[int]
    characters: int = 0
    unmapped: int = 0
    private: int = 0
    invisible: int = 0


def words_of(page: pdfium.FPDF_PAGE, frame: Frame, levels: dict[int, int]) -> PageText:
    """Read a page's words.

    `levels`: of headings and items, by the identifier of marked content.
    """
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return PageText([], [])
    try:
        return _Collector(text_page, frame, levels).collect()
    finally:
        pdfium.FPDFText_ClosePage(text_page)


class _Collector:
    def __init__(
        self, text_page: pdfium.FPDF_TEXTPAGE, frame: Frame, levels: dict[int, int]
    ) -> None:
        self._page = text_page
        self._frame = frame
        self._levels = levels
        self._begun: set[int] = set()
        self._bold_fonts: dict[int, bool] = {}
        self._found = PageText([], [])
        self._letters: list[str] = []
        self._boxes: list[tuple[float, float, float, float]] = []
        self._style: _Style | None = None
        self._base = 0.0

    def collect(self) -> PageText:
        """Group characters into words: cut at spaces, and where the next stands elsewhere."""
        page, found = self._page, self._found
        loose, previous_object = pdfium.FS_RECTF(), None
        style: _Style | None = None
        for index in range(pdfium.FPDFText_CountChars(page)):
            code = pdfium.FPDFText_GetUnicode(page, index)
            if code in _HYPHENS and pdfium.FPDFText_IsHyphen(page, index) == 1:
                code = 0x2D
            elif pdfium.FPDFText_IsGenerated(page, index) == 1:
                self._flush()
                continue
            if code in _SPACES:
                self._flush()
                continue
            text_object = pdfium.FPDFText_GetTextObject(page, index)
            address = ctypes.cast(text_object, ctypes.c_void_p).value
            if style is None or address != previous_object:
                style, previous_object = self._look(text_object, index), address
            found.characters += 1
            found.invisible += style.invisible
            if 0xE000 <= code <= 0xF8FF:
                found.private += 1
            elif (
                code < 0x20
                or 0x7F <= code <= 0x9F
                or code in (0xFFFD, 0xFFFE)
                or pdfium.FPDFText_HasUnicodeMapError(page, index) == 1
            ):
                found.unmapped += 1
            if not pdfium.FPDFText_GetLooseCharBox(page, index, loose):
                continue
            box = self._frame.box(loose.left, loose.bottom, loose.right, loose.top)
            if not all(map(math.isfinite, box)):
                continue
            if self._boxes and self._apart(box, style):
                self._flush()
            if not self._letters:
                self._begin(index, style)
            self._letters.append(_LIGATURES.get(code) or _char(code))
            self._boxes.append(box)
        self._flush()
        return found

    def _begin(self, index: int, style: _Style) -> None:
        x, y = ctypes.c_double(), ctypes.c_double()
        pdfium.FPDFText_GetCharOrigin(self._page, index, x, y)
        self._style = style
        self._base = self._frame.point(x.value, y.value)[1]

    def _apart(self, box: tuple[float, float, float, float], style: _Style) -> bool:
        """Does a character stand away from the one before it?"""
        last = self._boxes[-1]
        assert self._style is not None
        size = max(style.size, self._style.size)
        if style.turn != self._style.turn or style.invisible != self._style.invisible:
            return True
        if style.turn in (90, 270):
            gap = max(box[1] - last[3], last[1] - box[3])
            shift = abs((box[0] + box[2]) - (last[0] + last[2])) / 2
        else:
            gap = max(box[0] - last[2], last[0] - box[2])
            shift = abs(box[3] - last[3])
        return gap > 0.35 * size or shift > 0.7 * size

    def _flush(self) -> None:
        letters, boxes, style = "".join(self._letters), self._boxes, self._style
        self._letters, self._boxes = [], []
        if letters.endswith("\u00ad"):
            letters = letters[:-1] + "-"  # where the line is cut a soft hyphen is seen
        text = normalise(letters).replace(" ", "")
        if not text or style is None:
            return
        left, top = min(b[0] for b in boxes), min(b[1] for b in boxes)
        right, bottom = max(b[2] for b in boxes), max(b[3] for b in boxes)
        if style.turn in (0, 180) and bottom - top > 1.7 * style.size:
            # Some fonts claim absurd heights: draw what a line of this size would take.
            top, bottom = self._base - 0.95 * style.size, self._base + 0.3 * style.size
        width, height = self._frame.size
        outside = right <= 0 or bottom <= 0 or left >= width or top >= height
        if style.suspect or outside:
            self._found.suspects.append(len(self._found.words))
        level = style.level
        if level == ITEM and style.mark in self._begun:
            level = 0
        self._begun.add(style.mark)
        self._found.words.append(
            Word(
                text, left, top, right, bottom, self._base, style.size, style.bold, level,
                style.turn, outside or style.size < _TINY_POINTS,
            )
        )  # fmt: skip

    def _look(self, text_object: pdfium.FPDF_PAGEOBJECT, index: int) -> _Style:
        matrix = pdfium.FS_MATRIX()
        size = pdfium.FPDFText_GetFontSize(self._page, index)
        turn: Turn = 0
        if pdfium.FPDFText_GetMatrix(self._page, index, matrix):
            size *= math.hypot(matrix.c, matrix.d)
            degrees = -math.degrees(math.atan2(matrix.b, matrix.a)) + self._frame.rotation
            turn = _quarter(degrees)
        mode = pdfium.FPDFTextObj_GetTextRenderMode(text_object)
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        pale = False
        if pdfium.FPDFPageObj_GetFillColor(text_object, red, green, blue, alpha):
            pale = min(red.value, green.value, blue.value) >= _PALE or alpha.value < 64
        invisible = mode in _INVISIBLE_MODES
        mark = pdfium.FPDFPageObj_GetMarkedContentID(text_object) if self._levels else -1
        return _Style(
            size=size if math.isfinite(size) and size > 0 else 0.0,
            bold=self._bold(text_object, index),
            level=self._levels.get(mark, 0),
            mark=mark,
            turn=turn,
            suspect=pale or invisible or size < _TINY_POINTS,
            invisible=invisible,
        )

    def _bold(self, text_object: pdfium.FPDF_PAGEOBJECT, index: int) -> bool:
        font = pdfium.FPDFTextObj_GetFont(text_object)
        address = ctypes.cast(font, ctypes.c_void_p).value or 0
        if address not in self._bold_fonts:
            name, flags = ctypes.create_string_buffer(256), ctypes.c_int()
            pdfium.FPDFText_GetFontInfo(self._page, index, name, 256, flags)
            weight = pdfium.FPDFText_GetFontWeight(self._page, index)
            known = name.value.decode("utf-8", "replace").lower()
            self._bold_fonts[address] = weight >= _BOLD_WEIGHT or any(b in known for b in _BOLD)
        return self._bold_fonts[address]


def _quarter(degrees: float) -> Turn:
    """The nearest quarter turn."""
    turns: tuple[Turn, ...] = (0, 90, 180, 270)
    return turns[round(degrees / 90) % 4]


def _char(code: int) -> str:
    return chr(code) if code < 0x110000 and not 0xD800 <= code <= 0xDFFF else "\ufffd"
