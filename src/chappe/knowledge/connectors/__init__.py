"""Where a collection's files come from: each connector lists what there is and fetches one of them.

They know no database. What is listed again with the same tag as before isn't fetched.
"""

from chappe.knowledge.connectors.base import Connector, Found, Known

__all__ = ["Connector", "Found", "Known"]
