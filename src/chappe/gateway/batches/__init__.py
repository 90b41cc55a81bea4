"""/v1/files and /v1/batches: requests by the thousand, answered when nobody else waits."""

from chappe.gateway.batches.service import Batches

__all__ = ["Batches"]
