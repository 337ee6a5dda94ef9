"""Is each question to a plugin a span, where OpenTelemetry is installed, and nothing where it is not?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.plugins import spans
from tests.services.plugins.test_host import LOCKBOX, contribute, hosted

SDK = "opentelemetry.sdk.trace"


def test_without_it_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "trace", None)
    with pytest.raises(KeyError), spans.span("a question", "a plugin"):
        raise KeyError


def test_a_question_is_a_span(tmp_path: Path) -> None:
    sdk = pytest.importorskip(SDK, reason="opentelemetry-sdk is not installed: no spans are looked at")
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    seen = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(seen))
    trace.set_tracer_provider(provider)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        await host.answers.answer(contribute("lockbox"))
        await host.stop()

    asyncio.run(main())
    (found,) = seen.get_finished_spans()
    assert (found.name, found.attributes["lnpd.plugin"]) == ("lockbox.contribute", "lockbox")
