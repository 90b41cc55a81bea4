"""JSON from outside."""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading it may raise: it isn't JSON of the expected form, isn't text, or is nested so deep
that it can only be meant as an attack."""
