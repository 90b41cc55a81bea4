"""kreuzberg, plain text: the same adapter under another name."""

from __future__ import annotations

import kreuzberg_  # noqa: F401
