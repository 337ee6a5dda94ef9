"""Does the RPC answer what it should, refuse what it must by name, and outlive whatever is sent to it?"""

import asyncio
import functools
import inspect
import json
import os
import select
import socket
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lnpd.errors import ListenRefused
from lnpd.rpc.codes import CODES
from lnpd.rpc.commands import COMMANDS
from lnpd.rpc.kinds import KINDS
from lnpd.services.rpc import server as rpc
from lnpd.services.rpc.api import Backend
from lnpd.services.rpc.server import LINE_BYTES, MAX_CALLS, MAX_CONNECTIONS, RpcServer
from tests.services.rpc.small_node import CHANNEL_ID, INVOICE, PEER_ID, SmallNode, served

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Runs a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(test(*args, **kwargs))

    return run


async def dial(directory: Path) -> tuple[Reader, Writer]:
    return await asyncio.open_unix_connection(str(directory / "rpc.sock"), limit=1 << 24)


async def ask_line(directory: Path, line: bytes) -> dict[str, Any]:
    reader, writer = await dial(directory)
    writer.write(line + b"\n")
    async with asyncio.timeout(10):
        answer = json.loads(await reader.readline())
    writer.close()
    assert answer["jsonrpc"] == "2.0"
    assert ("error" in answer) != ("result" in answer)
    return dict(answer)


async def ask(directory: Path, method: str, params: object = None) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method} | ({} if params is None else {"params": params})
    return await ask_line(directory, json.dumps(body).encode())


# --- the table


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.method)
def test_each_row_fits_the_nodes_method(command: Any) -> None:
    assert all(parameter.kind in KINDS for parameter in command.parameters)
    required = [parameter.required for parameter in command.parameters]
    assert required == sorted(required, reverse=True), "words come before options"
    if command.name == "help" or command.streaming:
        return
    signature = inspect.signature(getattr(Backend, command.handler), eval_str=True)
    parameters = {name for name in signature.parameters if name != "self"}
    assert parameters == {parameter.name for parameter in command.parameters}
    assert signature.return_annotation == command.result


def test_every_method_of_the_node_is_in_the_table() -> None:
    public = {name for name in vars(Backend) if not name.startswith("_")}
    assert public == {c.handler for c in COMMANDS} - {"help", "events"} | {"plugin_methods", "call_plugin", "permit"}


def test_codes_are_distinct_but_for_those_of_json_rpc() -> None:
    positive = [code for code in CODES.values() if code > 0]
    assert len(positive) == len(set(positive))


# --- answers


@in_loop
async def test_a_command_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path):
        info = (await ask(tmp_path, "info"))["result"]
        assert info["alias"] == "alice"
        assert (await ask(tmp_path, "plugin.list"))["result"][0]["grants"] == ["updates:50000"]


@in_loop
async def test_parameters_come_by_name_or_in_order_and_defaults_are_filled_in(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        by_name = {"peer": PEER_ID, "amount_sat": 100_000, "providers": ["lockbox"]}
        assert (await ask(tmp_path, "open", by_name))["result"]["capacity_sat"] == 100_000
        await ask(tmp_path, "open", [PEER_ID[:8], 100_000, 5])
        assert node.asked == [
            ("open", PEER_ID, 100_000, 0, "", ("lockbox",), None),
            ("open", PEER_ID, 100_000, 5, "", (), None),
        ]


@in_loop
async def test_a_plugins_method_is_a_command_like_any_other(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        answer = await ask(tmp_path, "lockbox-put", {"channel": CHANNEL_ID[:6], "amount_sat": 7})
        assert answer["result"] == {"box": 0, "amount_sat": 7}
        assert node.asked == [("lockbox-put", {"channel": CHANNEL_ID, "amount_sat": 7})]
        listed = {row["name"]: row["plugin"] for row in (await ask(tmp_path, "help"))["result"]}
        assert listed["lockbox-put"] == "lockbox" and listed["pay"] == ""


REFUSED: dict[str, tuple[bytes, int, str, str]] = {
    "no json": (b"{nonsense", -32700, "RequestMalformed", "JSON-RPC"),
    "no utf-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', -32700, "RequestMalformed", ""),
    "no object": (b"17", -32600, "RequestMalformed", "JSON-RPC"),
    "batch": (b'[{"jsonrpc":"2.0","id":1,"method":"info"}]', -32600, "RequestMalformed", "batches"),
    "deep": (b"[" * 100_000, -32700, "RequestMalformed", ""),
    "version": (b'{"jsonrpc":"1.0","id":1,"method":"info"}', -32600, "RequestMalformed", "2.0"),
    "unknown field": (b'{"jsonrpc":"2.0","id":1,"method":"info","extra":1}', -32600, "RequestMalformed", "extra"),
    "id of another type": (b'{"jsonrpc":"2.0","id":1.5,"method":"info"}', -32600, "RequestMalformed", "id"),
    "long id": (b'{"jsonrpc":"2.0","id":"' + b"x" * 101 + b'","method":"info"}', -32600, "RequestMalformed", "id"),
    "unknown method": (b'{"jsonrpc":"2.0","id":1,"method":"inof"}', -32601, "NoSuchMethod", "inof"),
    "a private name": (b'{"jsonrpc":"2.0","id":1,"method":"__class__"}', -32601, "NoSuchMethod", "__class__"),
    "a method that is no command": (b'{"jsonrpc":"2.0","id":1,"method":"call_plugin"}', -32601, "NoSuchMethod", ""),
}


@pytest.mark.parametrize("case", REFUSED)
@in_loop
async def test_a_bad_line_is_refused_by_name(tmp_path: Path, case: str) -> None:
    line, code, name, words = REFUSED[case]
    async with served(tmp_path):
        error = (await ask_line(tmp_path, line))["error"]
        assert (error["code"], error["data"]["name"]) == (code, name)
        assert words in error["message"]
        assert "Traceback" not in json.dumps(error)
        assert "result" in await ask(tmp_path, "info"), "the server lives"


BAD_PARAMETERS: dict[str, tuple[str, object, str]] = {
    "missing": ("ping", {}, "ping needs peer"),
    "unknown": ("ping", {"peer": PEER_ID, "size": 3}, "no parameter 'size'"),
    "too many": ("ping", [PEER_ID, 1], "at most 1"),
    "neither object nor list": ("ping", "x", "an object or a list"),
    "none taken": ("peers", {"x": 1}, "it has: none"),
    "text for a number": ("fund", {"amount_sat": "1000"}, "amount_sat must be a whole number of satoshi"),
    "a fraction": ("fund", {"amount_sat": 0.5}, "amount_sat"),
    "a boolean for a number": ("fund", {"amount_sat": True}, "amount_sat"),
    "negative": ("fund", {"amount_sat": -1}, "amount_sat"),
    "more than exists": ("fund", {"amount_sat": 21_000_000 * 10**8 + 1}, "amount_sat"),
    "an enormous number": ("fund", {"amount_sat": 10**300}, "amount_sat"),
    "node id too short": ("ping", {"peer": "02a1"}, "peer must be a node id"),
    "node id with a line after it": ("ping", {"peer": PEER_ID + "\n"}, "peer must be a node id"),
    "no node id": ("connect", {"address": "127.0.0.1:9735"}, "node_id@host:port"),
    "list in a list": ("open", {"peer": PEER_ID, "amount_sat": 1, "providers": [["x"]]}, "providers"),
    "no invoice": ("decode", {"invoice": "hello"}, "invoice must be a BOLT 11 invoice"),
    "zero blocks": ("mine", {"blocks": 0}, "blocks"),
    "plugin's parameter": ("lockbox-put", {"channel": CHANNEL_ID, "amount_sat": "x"}, "amount_sat"),
    "subscription": ("events", {"since": "yesterday"}, "since"),
}


@pytest.mark.parametrize("case", BAD_PARAMETERS)
@in_loop
async def test_a_bad_parameter_is_named(tmp_path: Path, case: str) -> None:
    method, params, words = BAD_PARAMETERS[case]
    async with served(tmp_path) as node:
        error = (await ask(tmp_path, method, params))["error"]
        assert (error["code"], error["data"]["name"]) == (-32602, "ParameterRefused")
        assert words in error["message"] and "\n" not in error["message"]
        assert node.asked == []


@in_loop
async def test_the_nodes_refusals_keep_their_names_and_its_defects_stay_inside(tmp_path: Path) -> None:
    async with served(tmp_path):
        error = (await ask(tmp_path, "close", {"channel": CHANNEL_ID}))["error"]
        assert (error["code"], error["data"]["name"]) == (20, "CloseBlocked")
        assert "lockbox" in error["message"]
        error = (await ask(tmp_path, "close", {"channel": "ffffff"}))["error"]
        assert error["data"]["name"] == "UnknownChannel"
        error = (await ask(tmp_path, "fund", {"amount_sat": 1}))["error"]
        assert (error["code"], error["data"]["name"]) == (-32603, "InternalError")
        assert "faucet" not in json.dumps(error)


@in_loop
async def test_shortened_ids_must_be_the_only_ones(tmp_path: Path) -> None:
    async with served(tmp_path, SmallNode(channels=3)):
        error = (await ask(tmp_path, "close", {"channel": "000000"}))["error"]
        assert error["data"]["name"] == "UnknownChannel" and "2 channels begin with" in error["message"]


# --- the connection


@in_loop
async def test_calls_run_side_by_side_and_are_answered_as_they_end(tmp_path: Path) -> None:
    async with served(tmp_path):
        reader, writer = await dial(tmp_path)
        slow = {"invoice": "lnbcrt1" + "q" * 50, "amount_msat": 13}
        writer.write(json.dumps({"jsonrpc": "2.0", "id": "slow", "method": "pay", "params": slow}).encode() + b"\n")
        writer.write(b'\n{"jsonrpc":"2.0","method":"info"}\n{"jsonrpc":"2.0","id":"quick","method":"info"}\n')
        async with asyncio.timeout(10):
            assert json.loads(await reader.readline())["id"] == "quick"  # and none for the notification
        writer.close()


@in_loop
async def test_a_line_without_end_is_refused_and_its_connection_closed(tmp_path: Path) -> None:
    async with served(tmp_path):
        reader, writer = await dial(tmp_path)
        writer.write(b'"' + b"x" * (LINE_BYTES + 1))
        async with asyncio.timeout(10):
            assert json.loads(await reader.readline())["error"]["data"]["name"] == "RequestTooLong"
            assert await reader.read() == b""
        writer.close()
        assert "result" in await ask(tmp_path, "info")


@in_loop
async def test_a_client_that_sends_and_ends_is_answered(tmp_path: Path) -> None:
    async with served(tmp_path):
        reader, writer = await dial(tmp_path)
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"info"}\n{"half":')
        writer.write_eof()
        async with asyncio.timeout(10):
            lines = (await reader.read()).splitlines()
        assert len(lines) == 1 and json.loads(lines[0])["result"]["alias"] == "alice"
        writer.close()


@in_loop
async def test_connections_are_bounded_and_free_again(tmp_path: Path) -> None:
    async with served(tmp_path):
        open_ones = [await dial(tmp_path) for _ in range(MAX_CONNECTIONS)]
        for _, writer in open_ones:
            writer.write(b'{"jsonrpc":"2.0","id":1,"method":"info"}\n')
        for reader, _ in open_ones:
            assert b"result" in await reader.readline()
        assert (await ask(tmp_path, "info"))["error"]["data"]["name"] == "ConnectionsTooMany"
        for _, writer in open_ones:
            writer.close()
        async with asyncio.timeout(10):
            while "error" in await ask(tmp_path, "info"):
                await asyncio.sleep(0.01)


@in_loop
async def test_calls_at_once_are_bounded_by_not_reading(tmp_path: Path) -> None:
    async with served(tmp_path):
        reader, writer = await dial(tmp_path)
        slow = {"invoice": "lnbcrt1" + "q" * 50, "amount_msat": 13}
        for number in range(MAX_CALLS):
            request = {"jsonrpc": "2.0", "id": number, "method": "pay", "params": slow}
            writer.write(json.dumps(request).encode() + b"\n")
        writer.write(b'{"jsonrpc":"2.0","id":"later","method":"info"}\n')
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await reader.readline()
        assert "result" in await ask(tmp_path, "info"), "another connection is served"
        writer.close()


@in_loop
async def test_what_moves_money_ends_by_itself_when_who_asked_went_away(tmp_path: Path) -> None:
    lines = (("pay", {"invoice": INVOICE, "amount_msat": 13}), ("log", {"lines": 13, "follow": True}), ("info", {}))
    async with served(tmp_path) as node, asyncio.timeout(10):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "rpc.sock"))
            for number, (method, params) in enumerate(lines):
                body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
                client.sendall(json.dumps(body).encode() + b"\n")
            while node.waiting != 2 or not select.select([client], [], [], 0)[0]:
                await asyncio.sleep(0.001)
        while node.waiting != 1:  # it left with an answer unread, which resets the connection: what only reads ends
            await asyncio.sleep(0.001)
        node.goes_on.set()
        while ("paid", 13) not in node.asked:
            await asyncio.sleep(0.001)


@in_loop
async def test_the_socket_is_for_its_user_alone_and_leaves_with_the_server(tmp_path: Path) -> None:
    (tmp_path / "rpc.sock").touch()  # what an earlier life left behind
    async with served(tmp_path):
        assert stat.S_IMODE((tmp_path / "rpc.sock").stat().st_mode) == 0o600
        assert stat.S_ISSOCK((tmp_path / "rpc.sock").stat().st_mode)
    assert not [name for name in os.listdir(tmp_path) if name.startswith("rpc.sock")]


@in_loop
async def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path) -> None:
    node = SmallNode()
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with pytest.raises(ListenRefused, match=r"rpc\.sock"):
        await RpcServer(node, None, deep).start()  # type: ignore[arg-type]  # it is not reached


# --- events


@in_loop
async def test_events_are_told_in_order_and_resumed_from_any_place(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        assert node.events is not None
        first = [await node.events.publish("channel", {"n": n}) for n in range(250)]
        reader, writer = await dial(tmp_path)
        since = first[99]
        writer.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events", "params": [since]}).encode() + b"\n")
        async with asyncio.timeout(10):
            answer = json.loads(await reader.readline())
            assert answer["result"] == {"subscription": 1, "sequence": first[-1]}
            seen = [json.loads(await reader.readline())["params"] for _ in range(150)]
            later = await node.events.publish("payment", {"paid": True})
            live = json.loads(await reader.readline())
        assert [event["sequence"] for event in seen] == first[100:]
        assert [event["payload"]["n"] for event in seen] == list(range(100, 250))
        assert live["method"] == "event" and live["params"]["sequence"] == later
        assert live["params"]["topic"] == "payment" and live["params"]["payload"] == {"paid": True}
        writer.close()


@in_loop
async def test_a_subscriber_that_does_not_read_costs_nobody_anything(tmp_path: Path) -> None:
    async with served(tmp_path) as node:
        assert node.events is not None
        for _ in range(20):
            await node.events.publish("big", "x" * 100_000)
        _, writer = await dial(tmp_path)
        writer.write(b'{"jsonrpc":"2.0","id":1,"method":"events","params":[0]}\n')
        await writer.drain()
        assert "result" in await ask(tmp_path, "info")
        writer.close()


@in_loop
async def test_subscriptions_are_bounded(tmp_path: Path) -> None:
    async with served(tmp_path):
        reader, writer = await dial(tmp_path)
        for number in range(rpc.SUBSCRIPTIONS + 1):
            writer.write(json.dumps({"jsonrpc": "2.0", "id": number, "method": "events"}).encode() + b"\n")
        answers = [json.loads(await reader.readline()) for _ in range(rpc.SUBSCRIPTIONS + 1)]
        assert [answer["id"] for answer in answers if "error" in answer] == [rpc.SUBSCRIPTIONS]
        writer.close()


# --- anything

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
methods = st.sampled_from([c.method for c in COMMANDS] + ["lockbox-put", "subscribe", ""]) | st.text(max_size=20)
requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "id": st.integers(0, 9), "method": methods},
    optional={"params": json_values | st.dictionaries(st.sampled_from(["peer", "channel", "amount_sat"]), json_values)},
)
lines = st.binary(max_size=300).map(lambda data: data.replace(b"\n", b"")) | requests.map(
    lambda value: json.dumps(value).encode()
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(sent=st.lists(lines, min_size=1, max_size=8))
def test_no_line_ends_the_server(tmp_path_factory: pytest.TempPathFactory, sent: list[bytes]) -> None:
    async def scenario() -> None:
        directory = tmp_path_factory.mktemp("rpc")
        async with served(directory):
            reader, writer = await dial(directory)
            writer.write(b"\n".join(sent) + b"\n")
            writer.write(b'{"jsonrpc":"2.0","id":"last","method":"info"}\n')
            async with asyncio.timeout(20):
                while True:
                    answer = json.loads(await reader.readline())
                    assert answer["jsonrpc"] == "2.0"
                    if answer.get("id") == "last":
                        break
            assert answer["result"]["alias"] == "alice"
            writer.close()

    asyncio.run(scenario())
