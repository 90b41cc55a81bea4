"""Trees of elements and text, from XML or from its JSON form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from xml.parsers import expat

MAX_DEPTH = 200
MAX_NODES = 1_000_000


class TreeError(ValueError):
    """What was read isn't such a tree, or is one that an honest source doesn't make."""


@dataclass(slots=True, eq=False)
class Element:
    """An element and what is in it.

    ``spaced``: whether white space between its children is as its author wrote it. The JSON form
    lost some of it.
    """

    name: str
    attributes: dict[str, str]
    children: tuple[Element | str, ...]
    spaced: bool = True

    @property
    def elements(self) -> Iterator[Element]:
        """Its children that are elements."""
        return (child for child in self.children if isinstance(child, Element))

    def all(self, *names: str) -> Iterator[Element]:
        """Its children of these names."""
        return (child for child in self.elements if child.name in names)

    def first(self, name: str) -> Element | None:
        """Its first child of that name."""
        return next(self.all(name), None)

    def at(self, *names: str) -> Element | None:
        """What a path of names leads to, taking the first at each step."""
        found: Element | None = self
        for name in names:
            if found is None:
                return None
            found = found.first(name)
        return found

    def text(self, *names: str) -> str:
        """The text at a path, with that of the elements inside it; empty where there is none."""
        found = self.at(*names)
        return "" if found is None else found._text()

    def _text(self) -> str:
        return "".join(
            child if isinstance(child, str) else child._text() for child in self.children
        )


# --- XML --------------------------------------------------------------------------------------


class _Builder:
    """Makes the tree from expat's events; declarations of entities are refused."""

    def __init__(self) -> None:
        self._open: list[tuple[str, dict[str, str], list[Element | str]]] = []
        self._nodes = 0
        self.root: Element | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._nodes += 1
        if len(self._open) >= MAX_DEPTH or self._nodes > MAX_NODES:
            raise TreeError("XML trop profond ou trop long")
        self._open.append((name, attributes, []))

    def end(self, _: str) -> None:
        name, attributes, children = self._open.pop()
        element = Element(name, attributes, tuple(children))
        if self._open:
            self._open[-1][2].append(element)
        else:
            self.root = element

    def text(self, data: str) -> None:
        if not self._open:
            return
        children = self._open[-1][2]
        if children and isinstance(children[-1], str):
            children[-1] += data
        else:
            children.append(data)

    @staticmethod
    def entity(*_: object) -> int:
        raise TreeError("déclaration d'entité refusée")


def parse_xml(raw: bytes, *, namespaces: bool = False) -> Element:
    """The tree of an XML document. Names keep their prefix (``dc:title``).

    With ``namespaces``, names are ``ADDRESS}name``, whatever the prefix. Nothing outside it is
    read, and one that declares entities is refused.

    Raises:
        TreeError: it isn't well-formed, or it is deeper or longer than its kind ever is.
    """
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator="}" if namespaces else None)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = builder.entity
    parser.ExternalEntityRefHandler = builder.entity
    try:
        parser.Parse(raw, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        if isinstance(error, TreeError):
            raise
        raise TreeError(f"XML illisible ({error})") from error
    assert builder.root is not None
    return builder.root


# --- JSON -------------------------------------------------------------------------------------


def from_json(value: object) -> Element:
    """The tree of a document in JSON: ``{"children": [root]}``.

    Raises:
        TreeError: it isn't one.
    """
    children = value.get("children") if isinstance(value, dict) else None
    if not isinstance(children, list) or len(children) != 1:
        raise TreeError("un seul élément racine est attendu")
    root = _node(children[0])
    if not isinstance(root, Element):
        raise TreeError("la racine n'est pas un élément")
    return root


def _node(value: object) -> Element | str:
    if isinstance(value, dict):
        if value.get("type") == "text" and isinstance(text := value.get("text"), str):
            return text
        name, attributes = value.get("name"), value.get("attributes") or {}
        children = value.get("children") or []
        if (
            value.get("type") == "element"
            and isinstance(name, str)
            and isinstance(attributes, dict)
            and isinstance(children, list)
        ):
            return Element(
                name,
                {key: str(item) for key, item in attributes.items()},
                tuple(_node(child) for child in children),
                spaced=False,
            )
    raise TreeError("un nœud n'est ni un texte ni un élément")
