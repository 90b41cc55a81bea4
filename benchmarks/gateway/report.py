"""The table, and the last line for other programs."""

import json
import statistics

from scenarios import Figures

OURS = "chappe"
# Title, figure, digits after the point, is `direct` subtracted.
_ROWS = (
    ("requests per processor-second", "requests_per_cpu_s", 0, False),
    ("requests a second", "requests_per_s", 0, False),
    ("added at one connection, p50, ms", "p50_ms", 3, True),
    ("added at one connection, p99, ms", "p99_ms", 3, True),
    ("added at 200 requests/s, p99, ms", "p99_ms_at_200", 3, True),
    ("added time to first token, p50, ms", "ttft_ms", 3, True),
    ("64 streams: events per processor-second", "events_per_cpu_s", 0, False),
    ("64 streams: added delay, p50, ms", "delay_p50_ms", 3, True),
    ("64 streams: added delay, p99, ms", "delay_p99_ms", 3, True),
    ("1,000 streams: starved", "streams_starved", 0, False),
    ("1,000 streams: added delay, p50, ms", "many_delay_p50_ms", 3, True),
    ("1,000 streams: added delay, p99, ms", "many_delay_p99_ms", 3, True),
    ("1,000 streams: widest gap, ms", "many_widest_gap_ms", 0, False),
    ("memory of a stream, kB", "kb_per_stream", 0, False),
    ("slow reader: memory grows by, MiB", "slow_reader_growth_mb", 1, False),
    ("slow reader: held on the way, MiB", "slow_reader_held_mb", 1, False),
    ("  still generating 1 s after it has left", "left_open", 0, False),
    ("memory at rest, MiB", "rss_mb", 1, False),
    ("memory after 200,000 requests: grown by, MiB", "growth_mb_200k", 1, False),
    ("memory after fewer requests: grown by, MiB", "growth_mb", 1, False),
    ("  requests in that test", "growth_requests", 0, False),
    ("PostgreSQL: processor time of a request, µs", "database_us_per_request", 0, False),
    ("busy in the throughput test: gateway", "gateway_share", 2, False),
    ("  mock upstream", "upstream_share", 2, False),
    ("  load", "load_share", 2, False),
)


def value(figures: Figures, name: str, peer: str, *, added: bool = False) -> float | None:
    """Median over the rounds; with `added`, of the difference to `direct` in the same round."""
    values = figures.values[name].get(peer)
    if not values:
        return None
    if added:
        base = figures.values[name].get("direct")
        if not base or peer == "direct":
            return statistics.median(values) if peer == "direct" else None
        values = [one - other for one, other in zip(values, base, strict=False)]
    return statistics.median(values)


def spread(figures: Figures, name: str, peer: str) -> float:
    """Widest difference between rounds, as a share of their median."""
    values = figures.values[name][peer]
    return (max(values) - min(values)) / statistics.median(values)


def ratio(figures: Figures, name: str, other: str) -> float | None:
    """Ours divided by another's in the same round: the median of it over the rounds."""
    ours, theirs = figures.values[name].get(OURS, []), figures.values[name].get(other, [])
    ratios = [one / another for one, another in zip(ours, theirs, strict=False) if another]
    return round(statistics.median(ratios), 4) if ratios else None


def _cell(number: float | None, digits: int) -> str:
    return "–" if number is None else f"{number:,.{digits}f}"


def print_table(figures: Figures, peers: list[str], foreign_share: float) -> None:
    """One table, a column for each peer; `direct` has whole times, the others what they add."""
    width = 46
    print("".ljust(width) + "".join(name.rjust(13) for name in peers))
    for title, name, digits, added in _ROWS:
        numbers = [value(figures, name, peer, added=added) for peer in peers]
        if any(number is not None for number in numbers):
            print(title.ljust(width) + "".join(_cell(n, digits).rjust(13) for n in numbers))
    failed = "".join(f"{figures.failed[peer]:,}".rjust(13) for peer in peers)
    print("requests refused or failed, in all".ljust(width) + failed)
    for title, name in (
        ("ours ÷ theirs: requests per processor-second", "requests_per_cpu_s"),
        ("ours ÷ theirs: events per processor-second", "events_per_cpu_s"),
    ):
        cells = [_cell(ratio(figures, name, peer), 3) for peer in peers]
        print(title.ljust(width) + "".join(cell.rjust(13) for cell in cells))
    cells = [
        f"{spread(figures, 'requests_per_cpu_s', peer):.0%}"
        if figures.values["requests_per_cpu_s"].get(peer)
        else "–"
        for peer in peers
    ]
    print("between rounds: requests per processor-second".ljust(width), end="")
    print("".join(cell.rjust(13) for cell in cells))
    print("\nadded: less the time of `direct` in the same round; its own column has whole times")
    print(f"others' share of the machine meanwhile: {foreign_share:.0%}")


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def last_line(figures: Figures, foreign_share: float) -> str:
    """The figures of our gateway as one line of JSON; null where nothing was measured."""

    def ours(name: str, digits: int = 1, *, added: bool = False) -> float | None:
        return _rounded(value(figures, name, OURS, added=added), digits)

    return json.dumps(
        {
            "throughput_of_nginx": ratio(figures, "requests_per_cpu_s", "nginx"),
            "throughput_of_vllm_router": ratio(figures, "requests_per_cpu_s", "vllm-router"),
            "throughput_of_litellm": ratio(figures, "requests_per_cpu_s", "litellm"),
            "requests_per_cpu_s": ours("requests_per_cpu_s", 0),
            "errors": figures.failed[OURS],
            "added_p50_ms": ours("p50_ms", 3, added=True),
            "added_p99_ms": ours("p99_ms", 3, added=True),
            "added_p99_ms_at_200": ours("p99_ms_at_200", 3, added=True),
            "added_ttft_ms": ours("ttft_ms", 3, added=True),
            "stream_events_per_cpu_s": ours("events_per_cpu_s", 0),
            "stream_events_of_nginx": ratio(figures, "events_per_cpu_s", "nginx"),
            "stream_events_of_vllm_router": ratio(figures, "events_per_cpu_s", "vllm-router"),
            "stream_delay_p50_ms": ours("delay_p50_ms", 3, added=True),
            "stream_delay_p99_ms": ours("delay_p99_ms", 3, added=True),
            "streams_starved": ours("streams_starved", 0),
            "many_streams_delay_p50_ms": ours("many_delay_p50_ms", 3, added=True),
            "kb_per_stream": ours("kb_per_stream"),
            "slow_reader_growth_mb": ours("slow_reader_growth_mb"),
            "rss_mb": ours("rss_mb"),
            "growth_mb_200k": ours("growth_mb_200k"),
            "database_us_per_request": ours("database_us_per_request"),
            "others_share_of_machine": round(foreign_share, 3),
        }
    )
