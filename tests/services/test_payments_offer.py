"""Is every failure told in a sentence?"""

from hypothesis import given
from hypothesis import strategies as st

from lnpd.channel import actions
from lnpd.crypto import sphinx
from lnpd.routing import failures
from lnpd.routing.failures import FAILURES, Failure
from lnpd.services.payments_offer import why_failed
from tests.services.payments_pair import NodeKey


@given(st.sampled_from(FAILURES), st.integers(0, 2**16 - 1), st.binary(max_size=30))
def test_every_failure_becomes_a_sentence(row: failures.Row, number: int, extra: bytes) -> None:
    kinds = {"sha256": bytes(32), "update": b""}
    fields = tuple((name, kinds.get(kind, number)) for name, kind in row.fields)
    payee = NodeKey("payee")
    secrets = sphinx.shared_secrets(b"\x05" * 32, [payee.node_id])
    reason = sphinx.build_error(secrets[0], failures.encode(Failure(row.code, fields, extra)))
    why = why_failed(actions.HtlcFailed(0, bytes(32), reason), b"\x05" * 32, payee.node_id)
    assert why.startswith(row.sentence)
    assert f"({row.name}, {row.code:#06x}" in why
    assert "\n" not in why
    malformed = why_failed(actions.HtlcFailed(0, bytes(32), failure_code=row.code), b"\x05" * 32, payee.node_id)
    assert malformed.startswith(row.sentence)


@given(st.binary(max_size=400))
def test_any_reason_becomes_a_sentence(reason: bytes) -> None:
    why = why_failed(actions.HtlcFailed(0, bytes(32), reason), b"\x05" * 32, NodeKey("payee").node_id)
    assert "\n" not in why
