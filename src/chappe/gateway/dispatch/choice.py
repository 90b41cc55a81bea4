"""Which endpoint: the smallest predicted time to first token, with regard for what runs there.

Pure functions. :func:`standing_cost` ranks endpoints before the job is known, and is kept in an
index; :func:`cost` compares the few candidates that the index and the prefix index propose.
"""

from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.state import EndpointState


def wait_seconds(state: EndpointState, now: float) -> float:
    """Until the endpoint has read what it was sent before.

    The prefill backlog at the learned rate, less what it has had time to read since its last first
    token; if the oldest prompt is overdue, what it is overdue by counts in full: a server that
    stalls says so by its silence.
    """
    slope = state.read.slope
    backlog = (state.prefill_tokens + state.others_prefill) * slope
    if not state.reading:
        return backlog
    oldest = next(iter(state.reading.values()))
    done = min(now - state.reading_since, oldest.to_read * slope)
    return backlog - done + max(0.0, now - oldest.due)


def is_silent(state: EndpointState, now: float, settings: DispatchSettings) -> bool:
    """Is a first token overdue by more than the objective: nothing more is sent there meanwhile."""
    if not state.reading:
        return False
    return now - next(iter(state.reading.values())).due > settings.ttft_objective


def standing_cost(state: EndpointState, settings: DispatchSettings, typical: float) -> float:
    """Predicted seconds to first token of a prompt of `typical` tokens, without the clock.

    Besides reading: `crowding` steps of decoding at the present load (a step is what each chunk of
    the prompt waits for, and what the newcomer adds to everyone there), the excess over the
    inter-token objective, KV memory nearly full, and the operator's order.
    """
    tokens = state.prefill_tokens + state.others_prefill + typical
    return state.read.at(tokens) + standing_penalty(state, settings)


def standing_penalty(state: EndpointState, settings: DispatchSettings) -> float:
    """The part of the cost that depends neither on the prompt nor on the clock, in seconds."""
    interval = state.write.at(state.in_flight + state.others + 1)
    seconds = settings.crowding * interval
    objective = settings.itl_objective
    if interval > objective:
        seconds += settings.ttft_objective * (interval / objective - 1)
    if state.kv_usage is not None:
        excess = state.kv_share() - settings.kv_high
        if excess > 0:
            seconds += settings.ttft_objective * excess / (1 - settings.kv_high)
    return seconds + settings.preference_seconds * state.endpoint.preference


def cost(state: EndpointState, to_read: float, now: float, settings: DispatchSettings) -> float:
    """Predicted seconds to first token of a job with `to_read` tokens outside the cache there."""
    seconds = wait_seconds(state, now) + state.read.at(to_read) + standing_penalty(state, settings)
    if state.metrics_at is not None and now - state.metrics_at > settings.stale_after:
        seconds += settings.stale_seconds
    return seconds


def is_open(state: EndpointState, settings: DispatchSettings, now: float) -> bool:
    """May it take one more request: below its limit, and with a short enough backlog."""
    if not state.health.usable(state.trials > 0):
        return False
    if not state.in_flight and not state.others:
        return True
    limit = state.limit.value
    warmth = state.warmth(now, settings.warmup_seconds)
    if warmth < 1.0:
        limit = max(1.0, limit * warmth)
    if state.in_flight + state.others >= limit:
        return False
    if not state.in_flight:
        return True
    return (
        state.prefill_tokens * state.read.slope <= settings.backlog_seconds
        and state.kv_share() < 1.0
    )


def is_open_for_batch(state: EndpointState, settings: DispatchSettings) -> bool:
    """May an open endpoint take batch work too: it reads nothing now, and has room to spare."""
    return (
        not state.prefill_tokens
        and not state.others_prefill
        and state.in_flight + state.others < settings.batch_share * state.limit.value
        and state.write.at(state.in_flight + state.others + 1) < settings.itl_objective
    )
