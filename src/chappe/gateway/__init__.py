"""The only door to models: catalogue, dispatch, limits, accounts, engines, and the /v1 routes."""

from chappe.gateway.catalogue import Catalogue, Model
from chappe.gateway.service import Gateway
from chappe.gateway.streams import ModelStream

__all__ = ["Catalogue", "Gateway", "Model", "ModelStream"]
