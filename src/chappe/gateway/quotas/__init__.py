"""Limits on what may be asked: reserved before a request is sent, settled by what it did cost."""

from chappe.gateway.quotas.limits import Limit, Work
from chappe.gateway.quotas.reservation import Reservation
from chappe.gateway.quotas.service import Quotas

__all__ = ["Limit", "Quotas", "Reservation", "Work"]
