"""/v1/files and /v1/batches: requests by the thousand, answered when nobody else waits."""

from chappe.gateway.batches.service import Batches, Limits

__all__ = ["Batches", "Limits"]
