"""The catalogue: which models there are, and which servers serve them."""

from chappe.gateway.catalogue.catalogue import Catalogue, may_use
from chappe.gateway.catalogue.model import ENGINES, KINDS, LEVELS, Endpoint, Kind, Model, State

__all__ = [
    "ENGINES",
    "KINDS",
    "LEVELS",
    "Catalogue",
    "Endpoint",
    "Kind",
    "Model",
    "State",
    "may_use",
]
