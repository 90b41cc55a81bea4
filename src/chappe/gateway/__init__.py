"""The only door to models: catalogue, forwarding, accounts, engines, and the /v1 routes."""

from chappe.gateway.catalogue import Catalogue, Model
from chappe.gateway.service import Gateway, ModelStream

__all__ = ["Catalogue", "Gateway", "Model", "ModelStream"]
