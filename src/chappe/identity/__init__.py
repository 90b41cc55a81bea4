"""Who may do what: actors, keys and the one permission gate.

Light: what needs the object-relational mapper is imported from its own module (`identity.keys`…).
"""

from chappe.identity.access import SYSTEM, USER_SCOPES, Actor, require
from chappe.identity.cache import KeyCache

__all__ = ["SYSTEM", "USER_SCOPES", "Actor", "KeyCache", "require"]
