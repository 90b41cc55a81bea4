"""The numbers that dispatch is tuned with. All durations are in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """Objectives of a model and constants of the policy.

    Attributes:
        ttft_objective: time to first token that the operator promises.
        itl_objective: mean time between two tokens that the operator promises.
        backlog_seconds: an endpoint whose prefill backlog is longer takes nothing more: the job
            waits in the gateway, where it can still go to whichever endpoint is free first.
        capacity_floor, capacity_ceiling, capacity_start: bounds and first value of a learned limit.
        batch_slowdown: how much batch work may slow the reading of people's prompts (a share).
        batch_share: where nobody waits, the share of an endpoint's limit open to batch work.
        batch_prefill_share: share of the endpoints that may be reading batch prompts at once.
        batch_pace: however busy the pool is, one batch request may begin after so long without.
        crowding: weight, in steps of decoding, of what is already running on an endpoint.
        preference_seconds: what one rank of the operator's order is worth.
        stale_after, stale_seconds: age at which engine readings stop being believed, and the doubt
            that this adds to the predicted time.
        kv_high: share of KV memory above which an endpoint is avoided.
        warmup_seconds: how long a new or returned endpoint is taken on gently.
        failures_to_eject: failures in a row that eject an endpoint.
        ejection_seconds, ejection_limit: first time out of the pool (doubled each time), longest.
        affinity_pairs: size of the prefix index, in pairs of a block and an endpoint.
        token_bytes: bytes of prompt for one token, to turn matched bytes into tokens.
    """

    ttft_objective: float = 2.0
    itl_objective: float = 0.06
    backlog_seconds: float = 0.5
    capacity_floor: int = 4
    capacity_ceiling: int = 512
    capacity_start: int = 48
    batch_slowdown: float = 0.1
    batch_share: float = 0.8
    batch_prefill_share: float = 0.25
    batch_pace: float = 1.0
    crowding: float = 6.0
    preference_seconds: float = 0.1
    stale_after: float = 15.0
    stale_seconds: float = 0.1
    kv_high: float = 0.9
    warmup_seconds: float = 20.0
    failures_to_eject: int = 3
    ejection_seconds: float = 5.0
    ejection_limit: float = 300.0
    affinity_pairs: int = 200_000
    token_bytes: float = 4.0
