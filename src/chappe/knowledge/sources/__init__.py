"""Readers of official corpora: each yields light items, parsed only when they are needed."""

from chappe.knowledge.sources.archive import SourceFormatError, SourceItem

__all__ = ["SourceFormatError", "SourceItem"]
