"""Embedded engines: child processes on a loopback port that speak OpenAI's API like any other."""

from chappe.gateway.engines.child import EngineProcess
from chappe.gateway.engines.embedded import embedded_chat_model, embedded_encoder, engine_command

__all__ = ["EngineProcess", "embedded_chat_model", "embedded_encoder", "engine_command"]
