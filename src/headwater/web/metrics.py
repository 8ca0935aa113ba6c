"""The gateway's own figures, for Prometheus."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headwater.bounds import Bounds
from headwater.log.base import Appender
from headwater.outcomes import Reason
from headwater.quotas.base import Quotas

disable_created_metrics()  # type: ignore[no-untyped-call]


_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class GatewayMetrics:
    """Counters of one gateway process."""

    def __init__(self, log: Appender) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "headwater_ingest_requests_total",
            "Ingest requests answered.",
            ["dialect", "status"],
            registry=self.registry,
        )
        self._events = Counter(
            "headwater_ingest_events_total", "Events acknowledged.", ["dialect"], registry=self.registry
        )
        self._seconds = Histogram(
            "headwater_ingest_duration_seconds",
            "From the head of an ingest request to its answer, the client's own slowness in sending it included.",
            ["dialect"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._rejected = Counter(
            "headwater_ingest_rejected_events_total",
            "Events acknowledged that were rejected, each kept for a replay.",
            ["reason"],
            registry=self.registry,
        )
        for reason in Reason:
            self._rejected.labels(reason.value)
        self._sign_ins = Counter(
            "headwater_sign_ins_total",
            "Tries to sign in to the dashboard: done, refused, throttled.",
            ["outcome"],
            registry=self.registry,
        )
        self.registry.register(_LogFigures(log))
        # Looking a labelled counter up costs more than counting: the ones in use are kept.
        self._known: dict[tuple[str, int], Counter] = {}
        self._known_seconds: dict[str, Histogram] = {}
        self._known_events: dict[str, Counter] = {}

    def request(self, dialect: str, status: int, events: int, seconds: float) -> None:
        """Counts one answered request, the events it acknowledged, and how long it took."""
        counter = self._known.get((dialect, status))
        if counter is None:
            counter = self._known[dialect, status] = self._requests.labels(dialect, str(status))
        counter.inc()
        taking = self._known_seconds.get(dialect)
        if taking is None:
            taking = self._known_seconds[dialect] = self._seconds.labels(dialect)
        taking.observe(seconds)
        if events:
            taken = self._known_events.get(dialect)
            if taken is None:
                taken = self._known_events[dialect] = self._events.labels(dialect)
            taken.inc(events)

    def rejected(self, reasons: Iterable[str]) -> None:
        """Counts events that were acknowledged, and will be rejected."""
        for reason in reasons:
            self._rejected.labels(reason).inc()

    def sign_in(self, outcome: Literal["done", "refused", "throttled"]) -> None:
        self._sign_ins.labels(outcome).inc()

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class _LogFigures(Collector):
    """The log's status at the moment of asking."""

    def __init__(self, log: Appender) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        status = self._log.status()
        yield GaugeMetricFamily("headwater_log_ready", "1 when the log can promise durability.", status.ready)
        yield CounterMetricFamily("headwater_log_commits", "Commits, one fsync each.", status.commits)
        yield CounterMetricFamily("headwater_log_batches", "Batches made durable.", status.batches)
        yield GaugeMetricFamily(
            "headwater_log_backlog_bytes", "Bytes of the log that wait to be stored.", status.backlog
        )


class BoundsFigures(Collector):
    """How near the bounds are."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds

    def collect(self) -> Iterator[Metric]:
        bounds = self._bounds
        yield GaugeMetricFamily(
            "headwater_log_backlog_bound_bytes",
            "With more waiting nothing is taken; 0: no bound.",
            bounds.backlog_bound,
        )
        yield GaugeMetricFamily("headwater_disk_reserve_bytes", "With less free nothing is taken.", bounds.room.reserve)
        with suppress(OSError):  # a disk that cannot be asked has no figures; the others are wanted all the more
            free, ballast = bounds.free(), bounds.ballast_bytes
            yield GaugeMetricFamily("headwater_disk_free_bytes", "Room on the data directory's disk.", free)
            yield GaugeMetricFamily("headwater_ballast_bytes", "Held for a full disk; 0: given up.", ballast)


class QuotaFigures(Collector):
    """Whether limits are counted, and what became of events while they were not."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas

    def collect(self) -> Iterator[Metric]:
        status = self._quotas.status()
        yield GaugeMetricFamily(
            "headwater_quotas_ready", "0: who counts could not be asked the last time.", not status.away
        )
        yield CounterMetricFamily(
            "headwater_quotas_refused", "Requests refused because nobody could count.", status.refused
        )
        yield CounterMetricFamily(
            "headwater_quotas_unchecked_events", "Events taken though nobody could count.", status.unchecked
        )
        yield CounterMetricFamily(
            "headwater_quotas_restored", "Minutes counted anew because the counts were lost.", status.restored
        )
