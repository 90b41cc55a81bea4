"""Text of images, by Tesseract: several pages at once, each with a confidence and words' boxes."""

from __future__ import annotations

import html
import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TypeVar

from PIL import Image

from chappe.knowledge.document import normalise
from chappe.knowledge.reading.confinement import die_with_parent
from chappe.knowledge.reading.limits import Limits
from chappe.knowledge.reading.words import Turn, Word, turn_box

Key = TypeVar("Key")

RESOLUTION = 300
"""Dots per inch at which pages are drawn to be recognised: Tesseract's own advice."""

LOW_CONFIDENCE = 0.7
"""Below this a page is said to be uncertain."""

_TURN_BELOW = 0.75
_SURE_OF_TURN = 1.0
_NOISE_BELOW = 0.3
_SIZE_ERROR = 0.15
_BULLET_LIKE = frozenset("e¢°®©+«o*")
_BULLET_GAP_EM = 0.55
_PROFILE = 800
_SIDEWAYS = 1.5
_POLL_SECONDS = 0.01
_SEARCH_SECONDS = 30

_LINE_OR_WORD = re.compile(
    r"<span class='(ocr_\w+|ocrx_word)'[^>]*? title=[\"']([^\"']*)[\"'][^>]*>"
    r"(?:((?:(?!</?span).)*)</span>)?",
    re.S,
)
_ELIDED = re.compile(r"([cdjlmnst]|(jus|lors|puis|quel|quoi)?qu)[’']", re.I)
_LINE_CLASSES = ("ocr_line", "ocr_header", "ocr_caption", "ocr_textfloat")
_TAG = re.compile(r"<[^>]+>")
_ROTATE = re.compile(r"^Rotate: (\d+)\s+Orientation confidence: ([\d.]+)", re.M)


@dataclass(frozen=True, slots=True)
class Picture:
    """An image to recognise: ``scale`` pixels a point, standing at ``left``, ``top`` of a page.

    ``whole``: it is the page, not a part of it.
    """

    image: Image.Image
    scale: float
    left: float = 0.0
    top: float = 0.0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Recognised:
    """Words, and the mean confidence of their characters, 0 to 1; 0 without words."""

    words: list[Word]
    confidence: float


class OcrError(Exception):
    """Nothing was recognised; ``code`` is that of an issue, ``values`` what it quotes."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.code = code
        self.values = values


def recognise(
    pictures: Iterable[tuple[Key, Picture]], limits: Limits
) -> Iterator[tuple[Key, Recognised | OcrError]]:
    """Recognise pictures, in their order; the next is drawn only when a process is free for it."""
    with tempfile.TemporaryDirectory(prefix="chappe-ocr-") as name:
        folder, running = Path(name), deque[tuple[Key, _Run]]()
        try:
            languages: str | OcrError = _languages(limits)
        except OcrError as error:
            languages = error
        try:
            for number, (key, picture) in enumerate(pictures):
                if isinstance(languages, OcrError):
                    yield key, languages
                    continue
                running.append((key, _Run(picture, folder / str(number), languages, limits)))
                if len(running) >= limits.ocr_processes:
                    done, run = running.popleft()
                    yield done, run.result()
            while running:
                done, run = running.popleft()
                yield done, run.result()
        finally:
            for _, run in running:
                run.kill()


def _languages(limits: Limits) -> str:
    """Tesseract's argument: the first language is needed, the others are used where installed."""
    if shutil.which("tesseract") is None:
        raise OcrError("ocr_missing")
    listing = subprocess.run(
        ["tesseract", "--list-langs"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SEARCH_SECONDS,
    )  # fmt: skip
    installed = set(listing.stdout.split())
    wanted = limits.ocr_languages
    if not wanted or wanted[0] not in installed:
        raise OcrError("ocr_language_missing", language=wanted[0] if wanted else "")
    return "+".join(language for language in wanted if language in installed)


class _Run:
    """One Tesseract process, and a second one when the image turns out to lie on its side."""

    def __init__(self, picture: Picture, base: Path, languages: str, limits: Limits) -> None:
        self._picture = picture
        self._base = base
        self._languages = languages
        self._deadline = time.monotonic() + limits.seconds * 0.75
        self._source = base.with_suffix(".pgm")
        self._turn: Turn = 0
        picture.image.save(self._source)
        if picture.whole and on_its_side(picture.image):
            # Sideways letters cost Tesseract many times a page, for nothing.
            self._process = self._start("osd", "--psm", "0")
            self._turned(self._orientation())
        self._process = self._start(languages, "--psm", "3", "hocr")

    def _start(self, languages: str, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                "tesseract", self._source, self._base, "-l", languages,
                "--dpi", str(round(max(min(self._picture.scale * 72, 1200), 70))), *arguments,
            ],
            env=os.environ | {"OMP_THREAD_LIMIT": "1"},  # processes are what runs side by side
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent,  # safe: the reading process has one thread
        )  # fmt: skip

    def result(self) -> Recognised | OcrError:
        """Wait for the words."""
        try:
            found = self._words()
            if found.confidence < _TURN_BELOW:
                before = self._turn
                if before:
                    self._turned(0)
                else:
                    self._process = self._start("osd", "--psm", "0")
                    self._turned(self._orientation())
                if self._turn != before:
                    self._process = self._start(self._languages, "--psm", "3", "hocr")
                    found = max(found, self._words(), key=lambda one: one.confidence)
            return found
        except OcrError as error:
            return error
        finally:
            self.kill()
            for suffix in (".pgm", ".hocr", ".osd"):
                self._base.with_suffix(suffix).unlink(missing_ok=True)

    def kill(self) -> None:
        """End the process if it runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        try:
            code = self._process.wait(max(self._deadline - time.monotonic(), _POLL_SECONDS))
        except subprocess.TimeoutExpired:
            raise OcrError("ocr_failed") from None
        if code != 0:
            raise OcrError("ocr_failed")

    def _words(self) -> Recognised:
        self._wait()
        try:
            output = self._base.with_suffix(".hocr").read_text("utf-8", "replace")
        except OSError:
            raise OcrError("ocr_failed") from None
        return parse_hocr(output, self._picture, self._turn)

    def _orientation(self) -> Turn:
        """How far clockwise the image must be turned to be read (0 when that can't be told)."""
        try:
            self._wait()
            found = _ROTATE.search(self._base.with_suffix(".osd").read_text("utf-8", "replace"))
        except (OcrError, OSError):
            return 0  # too few letters to tell
        turns: dict[str, Turn] = {"90": 90, "180": 180, "270": 270}
        return turns.get(found[1], 0) if found and float(found[2]) >= _SURE_OF_TURN else 0

    def _turned(self, turn: Turn) -> None:
        self._turn = turn
        if turn == 0:
            self._picture.image.save(self._source)
            return
        back = {
            90: Image.Transpose.ROTATE_270,
            180: Image.Transpose.ROTATE_180,
            270: Image.Transpose.ROTATE_90,
        }[turn]
        self._picture.image.transpose(back).save(self._source)


def on_its_side(image: Image.Image) -> bool:
    """Do lines of text run from top to bottom? Ink changes faster across lines than along them."""
    small = image.convert("L").resize((_PROFILE, _PROFILE), Image.Resampling.BOX)
    across = small.resize((1, _PROFILE), Image.Resampling.BOX).tobytes()
    along = small.resize((_PROFILE, 1), Image.Resampling.BOX).tobytes()
    down, over = (sum(abs(a - b) for a, b in pairwise(line)) for line in (across, along))
    return over > _SIDEWAYS * max(down, _PROFILE // 4)


def parse_hocr(output: str, picture: Picture, turned: Turn = 0) -> Recognised:
    """Words of Tesseract's hOCR, in points on the page that the picture is of.

    `turned`: the image was turned clockwise by so much before; boxes are turned back, and words
    say that they stand turned the other way.
    """
    words: list[Word] = []
    slopes: list[float] = []
    confidences: list[tuple[float, int]] = []
    base, slope, size, origin = 0.0, 0.0, 10.0, 0.0
    first = second = False
    width, height = picture.image.size
    if turned in (90, 270):
        width, height = height, width
    for kind, title, content in _LINE_OR_WORD.findall(output):
        fields = _fields(title)
        bounds = fields.get("bbox", [])
        if len(bounds) != 4:
            continue
        box = bounds[0], bounds[1], bounds[2], bounds[3]
        if kind in _LINE_CLASSES:
            slope, offset = (fields.get("baseline") or [0.0, 0.0])[:2]
            base, origin = box[3] + offset, box[0]
            size = fields.get("x_size", [box[3] - box[1]])[0]
            slopes.append(slope)
            first, second = True, False
            continue
        if kind != "ocrx_word":
            continue
        text = normalise(html.unescape(_TAG.sub("", content))).replace(" ", "")
        confidence = fields.get("x_wconf", [0.0])[0] / 100
        if not text or (confidence < _NOISE_BELOW and not any(map(str.isalnum, text))):
            continue
        if second and words:
            _bullet(words[-1], box[0])
        second, first = first, False
        confidences.append((confidence, len(text)))
        middle = (box[0] + box[2]) / 2
        word = Word(text, *box, base + slope * (middle - origin), size)
        if words and not second and _ELIDED.fullmatch(words[-1].text):
            _join(words[-1], word)
        else:
            words.append(word)
    if slopes:
        # A page that was laid down askew: lines are level for whoever puts them in order.
        lean = median(slopes)
        for word in words:
            word.base -= lean * ((word.left + word.right) / 2 - width / 2)
    _settle_sizes(words)
    total = sum(length for _, length in confidences)
    mean = sum(value * length for value, length in confidences) / total if total else 0.0
    return Recognised([_placed(word, picture, turned, width, height) for word in words], mean)


def _join(word: Word, rest: Word) -> None:
    """Put an elided word and what follows it together again, as French writes them."""
    word.text += rest.text
    word.left, word.right = min(word.left, rest.left), max(word.right, rest.right)
    word.top, word.bottom = min(word.top, rest.top), max(word.bottom, rest.bottom)


def _bullet(word: Word, following: float) -> None:
    """Before a wide gap at a line's start, what looks like a letter is a list's bullet."""
    if word.text in _BULLET_LIKE and following - word.right > _BULLET_GAP_EM * word.size:
        word.text = "•"


def _settle_sizes(words: list[Word]) -> None:
    """Sizes that differ from the usual one by no more than recognition errs are the usual one."""
    if not words:
        return
    usual = median(word.size for word in words for _ in word.text)
    for word in words:
        if abs(word.size - usual) <= _SIZE_ERROR * usual:
            word.size = usual


def _fields(title: str) -> dict[str, list[float]]:
    fields: dict[str, list[float]] = {}
    for part in title.split(";"):
        name, *values = part.split()
        try:
            fields[name] = [number for number in map(float, values) if math.isfinite(number)]
        except ValueError:
            continue
    return fields


def _placed(word: Word, picture: Picture, turned: int, width: float, height: float) -> Word:
    """A word in pixels of the image as recognised, in points of the page."""
    box = turn_box((word.left, word.top, word.right, word.bottom), turned, width, height)
    left, top, right, bottom = (value / picture.scale for value in box)
    turns: dict[int, Turn] = {0: 0, 90: 270, 180: 180, 270: 90}
    return replace(
        word,
        left=left + picture.left,
        top=top + picture.top,
        right=right + picture.left,
        bottom=bottom + picture.top,
        base=word.base / picture.scale + picture.top,
        size=word.size / picture.scale,
        turn=turns[turned],
    )
