"""Which endpoint: the smallest predicted time to first token, with regard for what runs there.

Pure functions. :func:`standing_cost` ranks endpoints before the job is known, and is kept in an
index; :func:`cost` compares the few candidates that the index and the prefix index propose.
"""

from chappe.gateway.dispatch.settings import DispatchSettings
from chappe.gateway.dispatch.state import EndpointState


def refresh(state: EndpointState, settings: DispatchSettings) -> None:
    """Work out what :func:`cost` needs of an endpoint and changes only with events there.

    `by_token`: seconds to read a token beside what is being written. `penalty`, in seconds:
    `crowding` steps of decoding at the present load (a step is what each chunk of the prompt waits
    for, and what the newcomer adds to everyone there), the excess over the inter-token objective,
    KV memory nearly full, and the operator's order.
    """
    load = state.load
    state.by_token = state.read.token(load - len(state.reading))
    interval = state.write.at(load + 1)
    seconds = settings.crowding * interval
    objective = settings.itl_objective
    if interval > objective:
        seconds += settings.ttft_objective * (interval / objective - 1)
    if state.kv_usage is not None:
        excess = state.kv_share() - settings.kv_high
        if excess > 0:
            seconds += settings.ttft_objective * excess / (1 - settings.kv_high)
    state.penalty = seconds + settings.preference_seconds * state.endpoint.preference


def wait_seconds(state: EndpointState, now: float) -> float:
    """Until the endpoint has read what it was sent before.

    The prefill backlog at the learned rate, less what it has had time to read since its last first
    token; if the oldest prompt is overdue, what it is overdue by counts in full: a server that
    stalls says so by its silence.
    """
    by_token = state.by_token
    backlog = state.backlog * by_token
    oldest = state.oldest
    if oldest is None:
        return backlog
    done = min(now - state.reading_since, oldest.to_read * by_token)
    return backlog - done + max(0.0, now - oldest.due)


def is_silent(state: EndpointState, now: float, settings: DispatchSettings) -> bool:
    """Is a first token overdue by more than the objective: nothing more is sent there meanwhile."""
    oldest = state.oldest
    return oldest is not None and now - oldest.due > settings.ttft_objective


def standing_cost(state: EndpointState, typical: float) -> float:
    """Predicted seconds to first token of a prompt of `typical` tokens, without the clock."""
    tokens = state.backlog + typical
    return state.read.base + tokens * state.by_token + state.penalty


def cost(state: EndpointState, to_read: float, now: float, settings: DispatchSettings) -> float:
    """Predicted seconds to first token of a job with `to_read` tokens outside the cache there,
    and the penalty of :func:`refresh`."""
    seconds = wait_seconds(state, now) + state.read.base + to_read * state.by_token + state.penalty
    if state.metrics_at is not None and now - state.metrics_at > settings.stale_after:
        seconds += settings.stale_seconds
    return seconds


def is_open(state: EndpointState, settings: DispatchSettings, now: float) -> bool:
    """May it take one more request: below its limit, and with a short enough backlog."""
    if not state.health.usable(state.trials + state.beside_trials > 0):
        return False
    load = state.load
    if not load:
        return True
    limit = state.limit.value
    if now - state.warm_from < settings.warmup_seconds:
        limit = max(1.0, limit * state.warmth(now, settings.warmup_seconds))
    if load >= limit:
        return False
    if load == state.others:
        return True
    read = state.read
    by_token = read.slope + read.by_stream * (load - len(state.reading))
    prefill = state.prefill_tokens + state.beside_prefill
    return prefill * by_token <= settings.backlog_seconds and (
        state.kv_usage is None or state.kv_share() < 1.0
    )


def is_open_for_batch(state: EndpointState, settings: DispatchSettings, people: bool) -> bool:
    """May an open endpoint take batch work too.

    Only while it reads nothing and keeps the inter-token objective. While people are being
    answered by the pool, all the batch work of an endpoint may slow the reading of prompts there
    by no more than `batch_slowdown`; at other times it may fill most of its limit.
    """
    if state.backlog:
        return False
    if state.write.at(state.load + 1) > settings.itl_objective:
        return False
    if not people:
        return state.load < settings.batch_share * state.limit.value
    added = state.read.by_stream * (state.batch_in_flight + 1)
    alone = state.read.token(state.streams - state.batch_in_flight)
    return added <= settings.batch_slowdown * alone
