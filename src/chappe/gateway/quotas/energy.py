"""An estimate of the energy of a request, for limits on it. Origin: estimated."""

import math

from chappe.gateway.catalogue import Model

# EcoLogits 0.11's regression for one generated token on a GPU (P_active in billions, batch of 64):
# Wh = 1.1665e-6 · exp(−0.011206 · 64) · P_active + 4.0529e-5.
_ALPHA = 1.1665e-6 * math.exp(-0.011206 * 64)
_BETA = 4.0529e-5
# Reading a token takes about as many operations as writing one, but in large batches that use the
# hardware several times better; until it is measured, a tenth is charged.
_READ_SHARE = 0.1
_UNKNOWN_BILLIONS = 8.0


def energy_wh(model: Model, tokens_in: int, tokens_out: int) -> float:
    """Watt-hours of GPU for a request; of 8 billion parameters where the model's aren't known."""
    billions = model.parameters_active or model.parameters_total or _UNKNOWN_BILLIONS
    return (_ALPHA * billions + _BETA) * (tokens_out + _READ_SHARE * tokens_in)
