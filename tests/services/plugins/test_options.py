"""Which value has each option of a plugin, and what does it cost to give a wrong one?"""

import asyncio
import contextlib
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.manifest import Manifest, OptionSpec
from lnpd_sdk.questions import OptionChange

from lnpd.errors import OptionRefused
from lnpd.services.logs.secrets import SECRETS
from lnpd.services.plugins.options import Options
from lnpd.store.store import Store
from tests.services.plugins.test_host import hosted, written

MANIFEST = Manifest(
    name="mood",
    version="1",
    options=(
        OptionSpec("greeting", "text", "hello", dynamic=True),
        OptionSpec("most", "integer", 3),
        OptionSpec("share", "number", 0.5, dynamic=True),
        OptionSpec("loud", "boolean", False),
    ),
)


def values(options: Options, manifest: Manifest = MANIFEST) -> list[tuple[object, str]]:
    return [(row.value, row.source) for row in asyncio.run(options.settings(manifest))]


def test_what_is_given_counts_before_the_default() -> None:
    given = Options((("mood", "most", "-7"), ("mood", "loud", "Yes"), ("mood", "share", "2"), ("other", "x", "y")))
    assert values(Options()) == [("hello", "default"), (3, "default"), (0.5, "default"), (False, "default")]
    source = "lnpd --option"
    assert values(given) == [("hello", "default"), (-7, source), (2.0, source), (True, source)]


@pytest.mark.parametrize(
    ("option", "word", "sentence"),
    [
        ("most", "3.5", "The option most of mood is a whole number, not '3.5'."),
        ("most", "9" * 30, "a whole number"),
        ("most", "９", "a whole number"),
        ("share", "nan", "The option share of mood is a number, not 'nan'."),
        ("share", "inf", "a number"),
        ("loud", "perhaps", "true or false"),
        ("greeting", "x" * 10_001, "at most 10000 characters"),
        ("greting", "x", "has no option greting; it has greeting, most, share, loud"),
    ],
)
def test_a_wrong_one_is_refused_by_name(option: str, word: str, sentence: str) -> None:
    with pytest.raises(OptionRefused, match=sentence):
        values(Options((("mood", option, word),)))


def test_the_place_of_a_wrong_one_is_named() -> None:
    with pytest.raises(OptionRefused, match=r"/c\.toml, line 3: The plugin mood has no option loudd; it has"):
        values(Options((("mood", "loudd", "x"),), None, {"mood.loudd": "/c.toml, line 3"}))
    with pytest.raises(OptionRefused, match=r"/c\.toml, line 4: The option loud of mood is true or false, not 'x'"):
        values(Options((("mood", "loud", "x"),), None, {"mood.loud": "/c.toml, line 4"}))


def test_a_secret_is_shown_by_no_refusal_and_no_log_and_may_be_read_by_nobody_else(tmp_path: Path) -> None:
    manifest = Manifest(name="mood", version="1", options=(OptionSpec("word", "text", "", dynamic=True, secret=True),))
    file, at = tmp_path / "c.toml", "c.toml, line 2"
    file.touch()
    options = Options((("mood", "word", "xyzzy-plugh"),), None, {"mood.word": at}, {"mood.word": file})
    assert values(options, manifest) == [("xyzzy-plugh", "lnpd --option")]
    assert (
        "xyzzy" not in SECRETS.masked("it said xyzzy-plugh")
        and options.read(manifest, "word", "plover-1") == "plover-1"
    )
    assert "plover" not in SECRETS.masked("it said plover-1")
    with pytest.raises(OptionRefused) as refused:
        options.read(manifest, "word", "plover" * 2_000)
    assert "plover" not in str(refused.value)
    for mode, refuses in ((0o600, False), (0o640, True), (0o604, True), (0o620, False)):
        file.chmod(mode)
        with (
            pytest.raises(OptionRefused, match=f"{at}: word of mood is a secret, .* chmod 600 {file}")
            if refuses
            else (contextlib.nullcontext())
        ):
            options.require_private(manifest)
    options.require_private(MANIFEST)


def test_what_is_set_is_kept_in_the_store(tmp_path: Path) -> None:
    async def main() -> None:
        given = (("mood", "greeting", "hey"),)
        for turn in range(2):
            store = Store.open(tmp_path, "regtest")
            options = Options(given, store)
            if turn == 0:
                await options.keep("mood", "greeting", options.read(MANIFEST, "greeting", "hi"))
                await options.keep("mood", "share", 0.25)
                await options.keep("mood", "gone", 1)
            rows = {row.spec.name: (row.value, row.source) for row in await options.settings(MANIFEST)}
            assert (rows["greeting"], rows["share"]) == (("hi", "lnp plugin set"), (0.25, "lnp plugin set"))
            await store.close()

    asyncio.run(main())


def test_what_a_later_version_has_no_use_for_is_left_out() -> None:
    options = Options()
    asyncio.run(options.keep("mood", "greeting", "hi"))
    later = Manifest(name="mood", version="2", options=(OptionSpec("greeting", "integer", 5, dynamic=True),))
    assert values(options, later) == [(5, "default")]


def test_only_dynamic_ones_are_set_while_it_runs() -> None:
    with pytest.raises(OptionRefused, match=r"--option mood\.most=VALUE"):
        Options().read(MANIFEST, "most", "4")
    with pytest.raises(OptionRefused, match="no option 'much'"):
        Options().read(MANIFEST, "much", "4")


BODY = """
    greeting = plugin.option("greeting", str, "hello", "what it says", dynamic=True)
    most = plugin.option("most", int, 3)
    heard = []

    @plugin.on_init
    def begin(node):
        heard.append(greeting.value)

    @plugin.on_option
    async def changed(node, name, value):
        if value == "no":
            raise ValueError("not this")
        heard.append(value)

    @plugin.rpc("Says what it has.")
    def say(node):
        return [greeting.value, most.value, heard]
"""


def test_a_process_has_them_at_its_init_and_hears_of_a_new_one(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        host.chosen = Options((("bad", "most", "5"), ("bad", "greeting", "hey")))
        await host.start((written(tmp_path, BODY),))
        (plugin,) = host.plugins
        assert plugin.status == "ready", plugin.why
        assert await host.call_rpc("bad-say", {}) == ["hey", 5, ["hey"]]
        await plugin.change(OptionChange("greeting", "hi"))
        with pytest.raises(CallFailed, match="not this"):
            await plugin.change(OptionChange("greeting", "no"))
        assert await host.call_rpc("bad-say", {}) == ["hi", 5, ["hey", "hi"]]
        await host.stop()

    asyncio.run(main())


def test_a_wrong_option_keeps_the_plugin_from_running(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        host.chosen = Options((("bad", "most", "many"),))
        await host.start((written(tmp_path, BODY + "\n    print('begun')\n"),))
        (plugin,) = host.plugins
        assert plugin.status == "refused"
        assert "The option most of bad is a whole number, not 'many'." in plugin.why
        assert host.registry.owners == {}
        await host.stop()

    asyncio.run(main())
