"""Dispatch: which model, who is served next, which endpoint. Pure policy, with the clock given.

Production and `benchmarks/dispatch` run the same modules.
"""

from chappe.gateway.dispatch.admission import RoomFullError, Ticket, WaitingRoom
from chappe.gateway.dispatch.job import Endpoint, EngineMetrics, Job, Outcome, Priority
from chappe.gateway.dispatch.pool import Pool
from chappe.gateway.dispatch.prefix import chain
from chappe.gateway.dispatch.routing import CatalogueView, ModelView, Route, resolve
from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.state import EndpointState, Running

__all__ = [
    "CatalogueView",
    "DispatchSettings",
    "Endpoint",
    "EndpointState",
    "EngineMetrics",
    "Job",
    "ModelView",
    "Outcome",
    "Pool",
    "Priority",
    "RoomFullError",
    "Route",
    "Running",
    "Ticket",
    "WaitingRoom",
    "chain",
    "resolve",
]
