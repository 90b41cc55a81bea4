"""Chappe: sovereign AI for public service."""

__version__ = "0.1.0"
