"""The webhooks' figures for Prometheus."""

from collections.abc import Callable, Iterator
from contextlib import suppress

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from headwater import clock
from headwater.errors import UnavailableError
from headwater.state.webhooks import Figures

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)


class WebhookFigures(Collector):
    """What waits is counted when it is asked for, attempts as they are made."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures
        self._attempts = Counter(
            "headwater_webhook_attempts", "Requests of webhooks, by what came of them.", ["outcome"], registry=None
        )
        for outcome in ("success", "failure", "refused"):
            self._attempts.labels(outcome)
        self._seconds = Histogram(
            "headwater_webhook_attempt_duration_seconds",
            "How long a request of a webhook took.",
            buckets=_SECONDS,
            registry=None,
        )

    def attempted(self, outcome: str, seconds: float) -> None:
        self._attempts.labels(outcome).inc()
        self._seconds.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        yield from self._attempts.collect()
        yield from self._seconds.collect()
        with suppress(UnavailableError):  # the others' figures say what is the matter
            yield from self._gauges(self._figures())

    def _gauges(self, found: Figures) -> Iterator[Metric]:
        webhooks = GaugeMetricFamily("headwater_webhooks", "Webhooks that there are.", labels=["state"])
        webhooks.add_metric(["active"], found.active)
        webhooks.add_metric(["paused"], found.paused)
        yield webhooks
        yield GaugeMetricFamily(
            "headwater_webhook_deliveries_pending", "Deliveries to be tried, or tried again.", value=found.pending
        )
        age = 0.0 if found.oldest_ms is None else max(0.0, (clock.now_ms() - found.oldest_ms) / 1000)
        text = "Since the oldest delivery to be tried was made; paused webhooks' are left out."
        yield GaugeMetricFamily("headwater_webhook_oldest_pending_seconds", text, value=age)
