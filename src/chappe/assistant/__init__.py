"""Answers grounded in official sources, with every citation checked."""
