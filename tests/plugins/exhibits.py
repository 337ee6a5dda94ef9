"""What is in the museum of bad plugins: which file, how it is provoked, what the user sees?"""

from typing import Final, NamedTuple

from tests.plugins import provocations as by
from tests.plugins.provocations import Provocation


class Exhibit(NamedTuple):
    """A bad plugin. `seen` is a regular expression; of one that `hangs` it is seen that nobody else waits for it."""

    file: str
    provoked: Provocation
    seen: str
    hangs: bool = False

    @property
    def name(self) -> str:
        """What the test is called."""
        return f"{self.file}-{getattr(self.provoked, '__name__', '')}"


METHODS: Final = ("validate", "fold", "contribute", "attach", "seal", "descend")
WAYS: Final = {  # what is said of a provider that fails in one of these ways
    "raises": "{} failed: ValueError: my bug",
    "dies": "(moody: its process ended|no plugin here provides moody)",
    "hangs": "no answer to providers? within",
    "errs": "{} was answered with something else",
}
SIGNING: Final = ("commitment-signed", "commitment-held", "revocation-stored")
AS_A_PROVIDER: Final = tuple(
    Exhibit("moody", by.in_a_mood(method, way), f"^.*{said.format(method)}", hangs=way == "hangs")
    for method in METHODS
    for way, said in WAYS.items()
) + tuple(
    Exhibit("moody", by.closed_in_a_mood(way), f"^.*{said.format('close')}", hangs=way == "hangs")
    for way, said in WAYS.items()
)
IN_A_SECOND_STAGE: Final = tuple(
    Exhibit("moody", by.in_a_mood("second_stage", way), f"^.*{said}")
    for way, said in {"raises": "seal failed: ValueError: my bug", "shortens": "content is not 32 bytes long"}.items()
)
KILLED: Final = tuple(
    Exhibit("moody", by.killed_at(point, moment), "^null, then ready again$")
    for point in SIGNING
    for moment in ("before", "after")
)
OLD: Final = "ReloadRefused: .* is not reloaded, the old one goes on: "
TAKES: Final = (
    "bad takes 50000000 msat of party 0 in party [01]'s commitment 0, and no update of that party's allows it"
)
LYING: Final = {  # of tests/plugins/bad: what is said of a channel that would pin their provider
    "hidden_branch": TAKES,
    "other_revocation": TAKES,
    "wrong_delay": TAKES,
    "wrong_debits": "bad 1",
    "wrong_weight": TAKES,
    "too_many": "bad has 17 outputs",
    "anothers_output": "bad answered with an output of lockbox",
    "another_answer": "answered contribute differently than before",
}
ABOUT_MONEY: Final = (
    *(
        Exhibit(name, by.opened, f"^ChannelRefused: The channel is not opened: .*{said}")
        for name, said in LYING.items()
    ),
    Exhibit("huge_answer", by.opened, "^ChannelRefused: .*\nready, 2 starts"),  # who is heard first is chance
)
EXHIBITS: Final = (
    # It never comes so far.
    Exhibit("dies_at_import", by.quarantined, "^quarantined, 5 starts.*code 1.*RuntimeError: I never meant to run"),
    Exhibit("dies_in_its_manifest", by.started, "^waiting.*code 1.*nothing to declare"),
    Exhibit("hangs_at_import", by.started, "^waiting.*did not register within", hangs=True),
    Exhibit("hangs_in_its_manifest", by.started, "^waiting.*did not register within", hangs=True),
    Exhibit("dies_when_ready", by.quarantined, "^quarantined, 5 starts.*its process ended with code 9"),
    Exhibit("raises_in_its_init", by.started, "^waiting.*init failed: ValueError: my bug"),
    Exhibit("dies_in_its_init", by.started, "^waiting.*its process ended with code 7 before it was ready"),
    Exhibit("hangs_in_its_init", by.started, "^waiting.*no answer to init within", hangs=True),
    # Its options, and its next life.
    Exhibit("raises_at_an_option", by.set_an_option, r"^PluginRefused: my bug\n\['good'\]\nready, 1 starts"),
    Exhibit("dies_at_an_option", by.set_an_option, r"^PluginFault: .*its process ended.*\n\['good'\]\nready, 2 starts"),
    Exhibit("hangs_at_an_option", by.set_an_option, r"^PluginLate: .*no answer to option.*\n\['good'\]\n", hangs=True),
    Exhibit("raises_in_its_handover", by.reloaded, f"^{OLD}.*handover failed: my bug\nready"),
    Exhibit("dies_in_its_handover", by.reloaded, f"^{OLD}"),
    Exhibit("hangs_in_its_handover", by.reloaded, f"^{OLD}.*no answer to handover", hangs=True),
    Exhibit("hands_over_too_much", by.reloaded, f"^{OLD}.*hands over 2000000 bytes, more than 1048576\nready"),
    Exhibit("dies_in_its_second_life", by.reloaded, f"^{OLD}.*RuntimeError: once is enough .*line 13.\nready"),
    Exhibit("grabs_in_its_second_life", by.reloaded, f"^{OLD}.*RPC method guest-say, which guest owns\nready"),
    Exhibit("changes_its_name", by.reloaded, f"^{OLD}.*changes-its-name calls itself 'somebody-else' now\nready"),
    Exhibit(
        "drops_a_format",
        by.reloaded_under_a_channel,
        "^ReloadRefused: .*drops format 1 of the provider drops-a-format, which the channel.*\nready.*"
        "\nfrozen: drops-a-format does not speak commitment format 1",
    ),
    Exhibit(
        "reshapes_a_format",
        by.reloaded_under_a_channel,
        "^ReloadRefused: .*has other phases or limits at format 1 of the provider reshapes-a-format.*\nready.*",
    ),
    # Its manifest cannot be.
    Exhibit("huge_manifest", by.started, "^waiting.*a frame of 50.* bytes is over the limit"),
    Exhibit("long_manifest", by.started, "^refused.*declares 101 rpc, more than 100"),
    Exhibit("unprintable_manifest", by.started, r"^refused.*'\\x1b\[2J\\x1b\[1;1H\\u202eplugin.*not one line$"),
    Exhibit("deep_manifest", by.started, "^waiting.*sent what is not a frame: .*recursion"),
    Exhibit("future_contract", by.started, "^refused.*speaks version 99 of the contract, this node"),
    Exhibit("no_such_hook", by.started, "^refused.*'before_everything', which is not a hook of this node"),
    Exhibit("no_such_capability", by.started, "^refused.*asks for 'everything', which is not one of"),
    # It claims what others have.
    Exhibit("claims_anothers_message", by.started, "^refused.*41001: guest has it as guest_word"),
    Exhibit("claims_anothers_method", by.started, "^refused.*RPC method guest-say, which guest owns"),
    Exhibit("claims_the_nodes_method", by.started, "^refused.*RPC method pay, which lnpd owns"),
    Exhibit("claims_anothers_type", by.started, "^refused.*channel type guest/static_remotekey, which guest owns"),
    Exhibit("claims_anothers_provider", by.started, "^refused.*provider guest, which guest owns"),
    Exhibit("claims_anothers_name", by.started, "^refused.*guest is registered already.*may not have its name"),
    Exhibit("changes_its_name", by.started_again, "^refused, 2 starts.*changes-its-name calls itself 'somebody-else'"),
    Exhibit("declares_anothers_topic", by.started, "^refused.*guest/word"),
    Exhibit("offers_anothers_hook", by.started, "^refused.*guest/lit"),
    Exhibit("closes_a_circle", by.started, "^refused.*guest"),
    Exhibit("registers_twice", by.command(), "^PluginRefused: a plugin registers once\nready"),
    # Its commands fail.
    Exhibit("raises_in_a_command", by.command(), r"^PluginRefused: my bug\\nlnpd: all is well\nready"),
    Exhibit("dies_in_a_command", by.command(), "^PluginFault: dies-in-a-command.*its process ended"),
    Exhibit("hangs_in_a_command", by.command(), "^PluginLate: hangs-in-a-command: no answer to rpc", hangs=True),
    Exhibit("answers_a_command_deeply", by.command(), "^PluginFault.*its result is nested more than 32 deep\nready"),
    # It answers as nobody does.
    Exhibit("replies_twice", by.commands, r"""^\['"the first answer"'\]\nready, 1 starts, 0 faults"""),
    Exhibit("replies_for_another", by.commands, r"""^\['"its own answer"'\]\nready, 1 starts, 0 faults"""),
    Exhibit("replies_with_garbage", by.started, "^waiting.*1 faults: .*sent what is not a frame"),
    Exhibit("impersonates", by.command(), "^[1-9]\nready, 1 starts, 0 faults: $"),
    # It floods.
    Exhibit("floods_with_calls", by.command_until_the_end, "^PluginFault: .*\nwaiting"),
    Exhibit("floods_with_answers", by.command_until_the_end, "^PluginFault: .*bytes a second by itself\nwaiting"),
    Exhibit("floods_with_notices", by.command_until_the_end, "^PluginFault: .*bytes a second by itself\nwaiting"),
    Exhibit("floods_the_log", by.command(), '^"all said"\nready'),
    Exhibit("prints_junk", by.command(), '^"all the same"\nready, 1 starts, 0 faults: $'),
    Exhibit(
        "floods_with_events", by.command(), r'^(\["TooManyEvents"\]|PluginFault: .*over 1000 calls are being answered)'
    ),
    # Its processes.
    Exhibit("leaks_memory", by.command(), "^PluginRefused: MemoryError\nready"),
    Exhibit("leaves_children", by.ended_with_its_child, "the child has ended"),
    Exhibit("closes_its_stdin", by.ended_with_its_child, "the child has ended"),
    Exhibit("ignores_its_end", by.stopped, '^"here"; then it has ended'),
    # Hooks and messages.
    Exhibit("raises_in_a_hook", by.connected, "^ready, 1 starts, 1 faults"),
    Exhibit("dies_in_a_hook", by.connected, "^ready, 2 starts"),
    Exhibit("hangs_in_a_hook", by.connected, "^ready, 1 starts, 1 faults", hangs=True),
    Exhibit("answers_a_hook_with_garbage", by.connected, "^ready"),
    Exhibit("loosens_terms", by.asked_to_open, "^opened\nready"),
    Exhibit("raises_in_a_message", by.said_by_bob, "^ready, 1 starts, 1 faults"),
    Exhibit("dies_in_a_message", by.said_by_bob, "^ready, 2 starts"),
    Exhibit("hangs_in_a_message", by.said_by_bob_and_back, "^ready, 2 starts, 2 faults", hangs=True),
    Exhibit("resolves_with_a_wrong_preimage", by.paid_by_carol, "^null\nready"),
    Exhibit("hangs_over_an_htlc", by.paid_by_carol_and_back, "^null\nready, 2 starts, 2 faults", hangs=True),
    # Events.
    Exhibit("raises_at_an_event", by.an_event, "^ready, 1 starts, 1 faults"),
    Exhibit("dies_at_an_event", by.an_event, "^ready, [2-9] starts"),
    Exhibit("hangs_at_an_event", by.an_event, "^ready, [2-9] starts", hangs=True),
    Exhibit("lies_about_what_it_heard", by.two_events, r"^heard \['one', 'two'\]\nready"),
    Exhibit(
        "publishes_for_another", by.command(), r"^\[.*'guest/word' is no topic.*'payment_received' is no topic.*\nready"
    ),
    # Services.
    Exhibit("asks_for_anything", by.every_service, "^given: .*may not ask for propose.*no service 'shutdown'.*\nready"),
    Exhibit("sends_what_is_not_its_own", by.command_to_bob, "^PluginRefused: 'guest_word' is no message of sends-"),
    Exhibit("sends_what_is_not_its_own", by.command_of_the_core, "^PluginRefused: 'ping' is no message of sends-"),
    Exhibit("proposes_for_another", by.command_on_a_channel, "^PluginRefused: .*does not own the provider 'guest'"),
    *ABOUT_MONEY,
    *AS_A_PROVIDER,
    *KILLED,
)
