"""Is it known which plugin waits for what happens now?"""

import pytest

from lnpd.hooks.trace import Traces, current, together, within


def test_who_is_asked_waits_until_it_has_answered() -> None:
    traces = Traces()
    with traces.asking("a") as outer:
        assert current() is outer
        assert outer.waits("a")
        with traces.asking("b") as inner:
            assert inner.id == outer.id
            assert inner.waits("a")
            assert inner.waits("b")
            assert not outer.waits("b")
        assert not inner.waits("b")
        assert inner.waits("a")
    assert not inner.waits("a")
    assert current() is None


def test_a_call_of_a_plugin_that_is_asked_belongs_to_its_trace() -> None:
    traces = Traces()
    with traces.asking("a") as first, traces.asking("b") as second, within(None):
        with traces.serving("b", second.id) as served:
            assert served.id == first.id
            assert served.waits("a")
            assert served.waits("b")
        with traces.serving("a", second.id) as served:
            assert served.waits("a")
            assert not served.waits("b"), "b was asked by it, and does not wait for its other calls"
        assert not served.waits("a") or first.waits("a")


@pytest.mark.parametrize("identity", ["", "0011223344556677"])
def test_a_call_of_its_own_is_a_trace_of_its_own(identity: str) -> None:
    with Traces().serving("a", identity) as served:
        assert served.waits("a")
        assert served.id not in ("", identity)
    assert not served.waits("a")


def test_nobody_hides_in_the_trace_of_another() -> None:
    """A plugin whose policy is asked for cannot be passed over by another one that learned a trace of its."""
    traces = Traces()
    with traces.asking("policy") as asked, within(None), traces.serving("thief", asked.id) as served:
        assert served.id != asked.id
        assert not served.waits("policy")


def test_of_two_questions_in_one_trace_each_ends_by_itself() -> None:
    traces = Traces()
    with traces.asking("a") as outer:
        first, second = traces.asking("b"), traces.asking("b")
        one = first.__enter__()
        with within(outer):
            two = second.__enter__()
            second.__exit__()
        assert one.waits("b")
        assert not two.waits("b")
        with within(None), traces.serving("b", outer.id) as served:
            assert served.waits("a"), "it is still being asked the first question"
        first.__exit__()
        assert not one.waits("b")
        with within(None), traces.serving("b", outer.id) as served:
            assert served.id != outer.id
    assert traces._asked == {}


def test_a_pure_function_is_known_as_long_as_it_is_asked() -> None:
    traces = Traces()
    with traces.asking("a") as outer, traces.asking_purely("a", "a.fold"):
        trace = current()
        assert trace is not None
        assert trace.id != outer.id, "the plugin is asked other things in that one"
        assert traces.pure("a", trace.id) == "a.fold"
        assert traces.pure("b", trace.id) == traces.pure("a", outer.id) == ""
    assert traces.pure("a", trace.id) == ""


def test_what_several_things_caused_waits_for_all_of_them() -> None:
    traces = Traces()
    with traces.asking("a") as first:
        with within(None), traces.asking("b") as second:
            both = together([None, first, second])
            assert both is not None
            assert both.waits("a")
            assert both.waits("b")
        assert not both.waits("b")
    assert together([None]) is None
