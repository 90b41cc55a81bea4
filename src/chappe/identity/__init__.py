"""Who may do what: keys, actors, and the one permission gate."""

from chappe.identity.access import Actor, require
from chappe.identity.service import (
    KeyView,
    authenticate,
    create_key,
    list_keys,
    revoke_keys,
)

__all__ = [
    "Actor",
    "KeyView",
    "authenticate",
    "create_key",
    "list_keys",
    "require",
    "revoke_keys",
]
