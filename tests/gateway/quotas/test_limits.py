"""Windows, costs and bounds: pure."""

import json
import math
import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.gateway.catalogue import Model
from chappe.gateway.quotas import Limit, Work
from chappe.gateway.quotas.clock import DatabaseClock
from chappe.gateway.quotas.energy import energy_wh
from chappe.gateway.quotas.estimate import TEMPLATE_TOKENS, bound
from chappe.gateway.quotas.limits import PERIODS, Period, pace, window_end, window_start
from chappe.gateway.quotas.refusal import QuotaError, describe
from chappe.identity import Actor

CHAT = Model("m", "chat", context=100_000, max_output_tokens=1000)
moments = st.floats(0, 4e9, allow_nan=False)


def limit(measure: str = "tokens", **more: object) -> Limit:
    fields = {
        "subject_kind": "installation",
        "subject_id": None,
        "model": None,
        "period": "day",
        "amount": 100.0,
    }
    return Limit(uuid.uuid4(), measure=measure, **(fields | more))  # type: ignore[arg-type]


@given(moments, st.sampled_from(PERIODS))
def test_windows_cover_time_without_gap_or_overlap(moment: float, period: Period) -> None:
    start = window_start(period, moment)
    end = window_end(period, start)
    assert start <= moment < end
    assert window_start(period, end) == end
    assert window_start(period, end - 1e-3) == start


def test_months_are_calendar_months_in_utc() -> None:
    def at(*parts: int) -> float:
        return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]

    assert window_start("month", at(2028, 2, 29, 23)) == at(2028, 2, 1)
    assert window_end("month", at(2028, 2, 1)) == at(2028, 3, 1)
    assert window_end("month", at(2027, 12, 1)) == at(2028, 1, 1)


def test_what_work_costs() -> None:
    work = Work(10, 20, audio_seconds=1.5, energy_wh=0.25)
    costs = {
        name: limit(name, input_weight=0.5, output_weight=2.0).rates.charge(work)
        for name in ("tokens", "requests", "concurrency", "audio_seconds", "energy_wh")
    }
    assert costs == {
        "tokens": 45.0, "requests": 1.0, "concurrency": 1.0, "audio_seconds": 1.5,
        "energy_wh": 0.25,
    }  # fmt: skip


def test_whom_a_limit_covers() -> None:
    actor = Actor(
        "key",
        frozenset(),
        key_id=uuid.uuid4(),
        person_id=uuid.uuid4(),
        organisation_id=uuid.uuid4(),
    )
    for kind, own in (
        ("key", actor.key_id),
        ("person", actor.person_id),
        ("organisation", actor.organisation_id),
    ):
        assert limit(subject_kind=kind, subject_id=own).covers(actor, "m")
        assert not limit(subject_kind=kind, subject_id=uuid.uuid4()).covers(actor, "m")
        assert not limit(subject_kind=kind, subject_id=own, model="other").covers(actor, "m")
    assert limit(subject_kind="model", model="m").covers(actor, "m")
    assert not limit(subject_kind="model", model="m").covers(actor, "n")


@given(
    st.floats(0, 1e6), st.floats(0, 1e3), st.floats(0, 1e3), st.floats(0, 1), st.floats(0, 10),
    st.floats(0, 1e5),
)  # fmt: skip
def test_the_database_s_time_is_between_the_bounds(
    moment: float, sent: float, under_way: float, part: float, later: float, drift_base: float
) -> None:
    """Whatever the delays, and with clocks that drift by 100 millionths."""
    received = sent + under_way
    clock = DatabaseClock()
    clock.heard(moment, sent, received)
    now = received + drift_base + later
    true = moment + (now - (sent + part * under_way)) * (1 + 1e-4)
    slow = moment + (now - (sent + part * under_way)) * (1 - 1e-4)
    assert clock.earliest(now) <= slow + 1e-6 and true - 1e-6 <= clock.latest(now)
    assert clock.latest(clock.until(moment + 60)) == pytest.approx(moment + 60)


def test_a_clock_never_heard_promises_nothing() -> None:
    clock = DatabaseClock()
    assert clock.earliest(5) == -math.inf and clock.latest(5) == math.inf
    assert clock.until(1e9) == -math.inf


def test_pace_makes_what_is_left_last() -> None:
    turn = now = 0.0
    sent = 0.0
    while now < 100.0 and sent < 1000:
        wait, turn = pace(10.0, 1000.0 - sent, 100.0 - now, 1, turn, now, 30.0)
        now += wait
        sent += 10.0
    assert 90 < now <= 101 and sent == pytest.approx(1000, rel=0.02)
    assert pace(10.0, 0.0, 100.0, 1, 0.0, 5.0, 30.0) == (30.0, 35.0)


@given(
    st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": st.text()})
    ),
    st.booleans(),
)
def test_the_bound_is_no_less_than_the_bytes_of_the_text(
    messages: list[dict[str, str]], escaped: bool
) -> None:
    """A byte-level token is one byte or more; each message costs its template's marks too."""
    prompt = json.dumps(messages, ensure_ascii=escaped).encode(errors="surrogatepass")
    marks = 12
    real = sum(len(m["content"].encode(errors="surrogatepass")) + marks for m in messages)
    read, written = bound(prompt, None, 1, CHAT)
    assert read >= min(real, CHAT.context)
    assert written == 1000


def test_the_answer_is_bounded_by_what_the_client_allows() -> None:
    assert bound(b"[]", 50, 3, CHAT)[1] == 150
    assert bound(b"[]", 10**9, 1, CHAT)[1] == CHAT.context
    assert bound(b"[]", -5, 1, CHAT)[1] == 0


def test_an_image_counts_as_an_image() -> None:
    data = "data:image/png;base64," + "A" * 90_000
    part = {"type": "image_url", "image_url": {"url": data}}
    prompt = json.dumps([{"role": "user", "content": [part, part]}]).encode()
    read, _ = bound(prompt, 1, 1, CHAT, image_tokens=1000)
    assert 2000 < read < 3000
    far = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
    prompt = json.dumps([{"role": "user", "content": [far]}]).encode()
    assert bound(prompt, 1, 1, CHAT, image_tokens=1000)[0] > 1000


def test_words_that_look_like_an_image_are_words() -> None:
    text = '"url": "data:image/png;base64,' + "word " * 2000 + '"'
    prompt = json.dumps([{"role": "user", "content": text}]).encode()
    assert bound(prompt, 1, 1, CHAT)[0] >= 10_000


def test_a_rerank_reads_the_query_with_each_document() -> None:
    model = Model("r", "rerank")
    query, documents = "q" * 1000, ["a", "b", "c"]
    prompt = json.dumps(query).encode() + json.dumps(documents).encode()
    assert bound(prompt, None, 1, model)[0] >= 3 * 1000
    assert bound(b'"\xff broken', None, 1, model)[0] >= TEMPLATE_TOKENS


def test_energy_is_the_published_formula() -> None:
    """8 billion parameters: 0.162 J a token on the GPU, by EcoLogits' own regression."""
    model = Model("m", "chat", parameters_total=8.0, parameters_active=8.0)
    gpu = 0.162 / 3600
    seconds = 6.785e-4 * 8 + 3.119e-4 * 64 + 0.019474
    server = seconds / 3600 * 1200 / 8 / 64
    assert energy_wh(model, 1000, 100) == pytest.approx(100 * 1.2 * (gpu + server), rel=0.01)
    large = Model("m", "chat", parameters_total=400.0, parameters_active=17.0)
    assert energy_wh(large, 0, 1) > 8 * energy_wh(model, 0, 1)


def test_refusals_are_told_in_both_languages() -> None:
    refused = QuotaError(limit(amount=1e6, model="mistral"), 300.0, 20.0, 12.3)
    assert refused.status == 429 and refused.retry_after == 12.3
    assert "1000000 jetons par jour pour tous, modèle mistral" in refused.detail("fr")
    assert "1000000 tokens per day for everybody, model mistral" in refused.detail("en")
    assert "12 s" in refused.detail("en")
    assert describe(limit("concurrency", period=None, amount=5.0), "en") == (
        "5 requests at once for everybody"
    )
    assert QuotaError(limit(), 300.0, 100.0, None).code == "quota_too_small"
