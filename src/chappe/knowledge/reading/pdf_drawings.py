"""What a PDF's page draws besides text: rules of tables, images, areas that may cover text."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import pypdfium2.raw as pdfium

from chappe.knowledge.reading.pdf_words import Frame
from chappe.knowledge.reading.words import Rule

Area = tuple[float, float, float, float]
_Matrix = tuple[float, float, float, float, float, float]

_IDENTITY: _Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_THIN_POINTS = 2.5
_STRAIGHT_POINTS = 0.8
_SHORTEST_POINTS = 4.0
_COVER_POINTS = 4.0
_MAX_OBJECTS = 100_000
_MAX_SEGMENTS = 50_000
_MAX_RULES = 5_000
_MAX_FORM_DEPTH = 8


@dataclass(slots=True)
class Drawings:
    """Boxes as displayed, left, top, right, bottom. ``covers``: filled areas and images."""

    rules: list[Rule] = field(default_factory=list)
    images: list[Area] = field(default_factory=list)
    covers: list[Area] = field(default_factory=list)
    paths: int = 0


def drawings_of(page: pdfium.FPDF_PAGE, frame: Frame) -> Drawings:
    """Walk the page's objects, those inside forms too; the first hundred thousand of them."""
    return _Walker(frame).walk(page)


class _Walker:
    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._found = Drawings()
        self._objects = 0
        self._segments = 0

    def walk(self, page: pdfium.FPDF_PAGE) -> Drawings:
        for index in range(min(pdfium.FPDFPage_CountObjects(page), _MAX_OBJECTS)):
            self._object(pdfium.FPDFPage_GetObject(page, index), _IDENTITY, 0)
        return self._found

    def _object(self, item: pdfium.FPDF_PAGEOBJECT, outer: _Matrix, depth: int) -> None:
        self._objects += 1
        if self._objects > _MAX_OBJECTS:
            return
        kind = pdfium.FPDFPageObj_GetType(item)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            self._path(item, outer)
        elif kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_SHADING):
            area = self._bounds(item, outer)
            if area is not None:
                self._found.covers.append(area)
                if kind == pdfium.FPDF_PAGEOBJ_IMAGE:
                    self._found.images.append(area)
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_FORM_DEPTH:
            inner = _product(_matrix(item), outer)
            for index in range(pdfium.FPDFFormObj_CountObjects(item)):
                if self._objects > _MAX_OBJECTS:
                    break
                self._object(pdfium.FPDFFormObj_GetObject(item, index), inner, depth + 1)

    def _bounds(self, item: pdfium.FPDF_PAGEOBJECT, outer: _Matrix) -> Area | None:
        left, bottom, right, top = (ctypes.c_float() for _ in range(4))
        if not pdfium.FPDFPageObj_GetBounds(item, left, bottom, right, top):
            return None
        corners = [
            self._frame.point(*_apply(outer, x, y))
            for x in (left.value, right.value)
            for y in (bottom.value, top.value)
        ]
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        width, height = self._frame.size
        area = max(min(xs), 0.0), max(min(ys), 0.0), min(max(xs), width), min(max(ys), height)
        return area if area[0] < area[2] and area[1] < area[3] else None

    def _path(self, item: pdfium.FPDF_PAGEOBJECT, outer: _Matrix) -> None:
        self._found.paths += 1
        fill, stroke = ctypes.c_int(), ctypes.c_int()
        if not pdfium.FPDFPath_GetDrawMode(item, fill, stroke):
            return
        if fill.value:
            area = self._bounds(item, outer)
            if area is not None and self._thin(area):
                return
            if area is not None and min(area[2] - area[0], area[3] - area[1]) > _COVER_POINTS:
                self._found.covers.append(area)
        if stroke.value:
            self._strokes(item, _product(_matrix(item), outer))

    def _thin(self, area: Area) -> bool:
        """Take a thin filled area as a rule."""
        left, top, right, bottom = area
        if bottom - top <= _THIN_POINTS and right - left >= _SHORTEST_POINTS:
            middle = (top + bottom) / 2
            self._rule(left, middle, right, middle)
            return True
        if right - left <= _THIN_POINTS and bottom - top >= _SHORTEST_POINTS:
            middle = (left + right) / 2
            self._rule(middle, top, middle, bottom)
            return True
        return False

    def _strokes(self, item: pdfium.FPDF_PAGEOBJECT, matrix: _Matrix) -> None:
        start = before = None
        x, y = ctypes.c_float(), ctypes.c_float()
        for index in range(pdfium.FPDFPath_CountSegments(item)):
            self._segments += 1
            if self._segments > _MAX_SEGMENTS:
                return
            segment = pdfium.FPDFPath_GetPathSegment(item, index)
            if not pdfium.FPDFPathSegment_GetPoint(segment, x, y):
                continue
            here = self._frame.point(*_apply(matrix, x.value, y.value))
            kind = pdfium.FPDFPathSegment_GetType(segment)
            if kind == pdfium.FPDF_SEGMENT_MOVETO:
                start = here
            elif kind == pdfium.FPDF_SEGMENT_LINETO and before is not None:
                self._straight(before, here)
            before = here
            if pdfium.FPDFPathSegment_GetClose(segment) and start is not None:
                self._straight(here, start)
                before = start

    def _straight(self, one: tuple[float, float], other: tuple[float, float]) -> None:
        (x1, y1), (x2, y2) = one, other
        if abs(y1 - y2) <= _STRAIGHT_POINTS and abs(x1 - x2) >= _SHORTEST_POINTS:
            self._rule(min(x1, x2), (y1 + y2) / 2, max(x1, x2), (y1 + y2) / 2)
        elif abs(x1 - x2) <= _STRAIGHT_POINTS and abs(y1 - y2) >= _SHORTEST_POINTS:
            self._rule((x1 + x2) / 2, min(y1, y2), (x1 + x2) / 2, max(y1, y2))

    def _rule(self, left: float, top: float, right: float, bottom: float) -> None:
        if len(self._found.rules) < _MAX_RULES:
            self._found.rules.append(Rule(left, top, right, bottom))


def _matrix(item: pdfium.FPDF_PAGEOBJECT) -> _Matrix:
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(item, found):
        return _IDENTITY
    return found.a, found.b, found.c, found.d, found.e, found.f


def _product(first: _Matrix, then: _Matrix) -> _Matrix:
    a, b, c, d, e, f = first
    g, h, i, j, k, m = then
    return (
        a * g + b * i,
        a * h + b * j,
        c * g + d * i,
        c * h + d * j,
        e * g + f * i + k,
        (e * h + f * j + m),
    )


def _apply(matrix: _Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
