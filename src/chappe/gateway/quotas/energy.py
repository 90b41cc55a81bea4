"""An estimate of the energy of a request, for limits on it. Origin: estimated.

The formula is EcoLogits' published one (version 0.11, usage phase, batches of 64), with its
constants: a regression of the energy of a GPU by generated token on the active parameters, and the
server's power over the time that the answer takes. It ignores the tokens that are read.
"""

import math
from functools import lru_cache

from chappe.gateway.catalogue import Model

_BATCH = 64
_GPU_WH_BY_BILLION = 1.1665e-6 * math.exp(-0.011206 * _BATCH)
_GPU_WH = 4.0529e-5
_SECONDS_BY_BILLION = 6.785e-4
_SECONDS = 3.119e-4 * _BATCH + 0.019474
_SERVER_WATTS = 1200.0
_SERVER_GPUS = 8
_GPU_GIGABYTES = 80
# Power usage effectiveness: the hall's consumption by that of its servers. EcoLogits' for the
# clouds that it knows is 1.09 to 1.2.
_PUE = 1.2
# Of a model whose size the catalogue doesn't give.
_UNKNOWN_BILLIONS = 8.0


def energy_wh(model: Model, tokens_in: int, tokens_out: int) -> float:
    """Watt-hours of a request, for a model of 8 billion parameters where they aren't known."""
    active = model.parameters_active or model.parameters_total or _UNKNOWN_BILLIONS
    return _by_token(active, model.parameters_total or active) * tokens_out


@lru_cache(maxsize=1024)
def _by_token(active: float, total: float) -> float:
    """Watt-hours of one token of an answer, by billions of parameters."""
    gpus = 2.0 ** max(0, math.ceil(math.log2(1.2 * total * 16 / 8 / _GPU_GIGABYTES)))
    gpu = _GPU_WH_BY_BILLION * active + _GPU_WH
    seconds = _SECONDS_BY_BILLION * active + _SECONDS
    server = seconds / 3600 * _SERVER_WATTS * gpus / _SERVER_GPUS / _BATCH
    return _PUE * (server + gpus * gpu)
