"""Traces by OpenTelemetry, for whoever names a collector by the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT, …).

Off, nothing of OpenTelemetry is imported, and a span costs a look at one name. On, spans are handed to a thread that
sends them: a collector that is slow or away loses spans, and holds nobody. Attributes are ids, counts and names of
routes, never what people sent.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from headwater.errors import SettingsError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
END_SECONDS = 2.0
"""How long the end of a process waits for its last spans."""

Value = str | int | float | bool

_logger = logging.getLogger(__name__)
_tracer: Any = None
_nothing: AbstractContextManager[None] = nullcontext()


def is_on() -> bool:
    return _tracer is not None


@contextmanager
def tracing(role: str) -> Iterator[None]:
    """Meanwhile spans are sent, if a collector is named. Raises SettingsError when the extra is not installed."""
    global _tracer
    if not _wanted():
        yield
        return
    provider = _provider(role)
    _tracer = provider.get_tracer("headwater")
    try:
        yield
    finally:
        _tracer = None
        ending = threading.Thread(target=provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(END_SECONDS)


def span(name: str, **attributes: Value) -> AbstractContextManager[Any]:
    """A span inside of the one under way, or the first of a trace. In names of attributes `__` stands for a dot."""
    if _tracer is None:
        return _nothing
    return _span(name, "INTERNAL", None, attributes)


def answering(name: str, headers: Mapping[str, str], **attributes: Value) -> AbstractContextManager[Any]:
    """The span of a request, in its caller's trace if it names one (W3C `traceparent`)."""
    if _tracer is None:
        return _nothing
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return _span(name, "SERVER", TraceContextTextMapPropagator().extract(headers), attributes)


def handed_on() -> dict[str, str]:
    """The headers that continue the trace elsewhere."""
    found: dict[str, str] = {}
    if _tracer is not None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        TraceContextTextMapPropagator().inject(found)
    return found


def tell(**attributes: Value) -> None:
    """Attributes of the span under way, known only now."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes(_named(attributes))


def _span(name: str, kind: str, context: Any, attributes: Mapping[str, Value]) -> AbstractContextManager[Any]:
    from opentelemetry.trace import SpanKind

    found: AbstractContextManager[Any] = _tracer.start_as_current_span(
        name,
        context,
        SpanKind[kind],
        _named(attributes),
        record_exception=False,  # an exception's words may quote what somebody sent
        set_status_on_exception=False,
    )
    return found


def _named(attributes: Mapping[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _wanted() -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return any(os.environ.get(name) for name in ENDPOINTS)


def _provider(role: str) -> Any:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise SettingsError(f"{ENDPOINTS[0]} is set, and traces need pip install 'headwater[otel]': {error}") from None
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    if protocol != "http/protobuf":
        raise SettingsError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {protocol}: only http/protobuf is spoken")
    name = os.environ.get("OTEL_SERVICE_NAME") or "headwater"
    # Sampling, batches, time limits and further attributes: by the standard variables, which the SDK reads itself.
    provider = TracerProvider(
        resource=Resource.create({"service.name": name, "headwater.role": role}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _logger.info("traces are sent by OTLP")
    return provider
