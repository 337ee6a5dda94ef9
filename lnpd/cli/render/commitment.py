"""How is a commitment transaction drawn? As a tree: the funding, its outputs, and what is signed ahead below each.

Each output says who contributed it, in the contributor's colour, and who can spend it when. From WIDE columns on that
stands beside the tree, with addresses and scripts; below, it stands under each output.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from lnpd.cli.render.style import Look, provider_styles
from lnpd.cli.render.tree import WIDE, Branch, Detail, drawn, wrapped
from lnpd.cli.render.values import Row, text
from lnpd.cli.safe import clean

SHOWN_DIGITS: Final = 8
HOLDERS: Final = {
    "us": ("ours", "the peer has signed it, so that we could broadcast it", "the peer"),
    "them": ("the peer's", "we have signed it, so that the peer could broadcast it", "us"),
}
SIGNERS: Final = {"us": "good", "them": "theirs"}
UNSIGNED: Final = "not signed by the peer"
MARGIN: Final = " " * 9


def commitment(answer: Row, width: int | None, look: Look) -> list[str]:
    """The lines of the picture; `width` None is no terminal: nothing in it is cut."""
    whose, meaning, _ = HOLDERS[answer["holder"]]
    signed = meaning if answer["signed"] else UNSIGNED
    opener = "us" if answer["opener"] == "us" else "the peer"
    title = f"Commitment {answer['number']}, {whose}"
    first, *more = wrapped(f"{title}: {signed}", width, MARGIN)
    facts = {
        "channel": answer["channel_id"],
        "txid": answer["txid"],
        "type": f"{answer['type']}, opened by {opener}",
        "holds": f"{_sat(answer['ours_msat'])} sat of ours, {_sat(answer['theirs_msat'])} sat of theirs",
    }
    lines = [look.paint(title, "head") + first.removeprefix(title) if first.startswith(title) else first, *more]
    for name, value in facts.items():
        head, *rest = wrapped(f"{name:<{len(MARGIN)}}{clean(value)}", width, MARGIN)
        lines += [look.paint(head[: len(MARGIN)], "faint") + head[len(MARGIN) :], *rest]
    return [*lines, "", *drawn(_root(answer, width is None or width >= WIDE), width, look)]


def _sat(amount_msat: int) -> str:
    return text("_msat", amount_msat)


def _root(answer: Row, roomy: bool) -> Branch:
    every = [*answer["outputs"], *(output for child in answer["children"] for output in child["outputs"])]
    styles = provider_styles([output["provider"] for output in every])
    outputs = [_output(output, answer, styles, roomy) for output in answer["outputs"]]
    ways = [_way(way, answer) for way in answer["funding_ways"]]
    return Branch(
        name="funding",
        amount=text("_sat", answer["capacity_sat"]),
        tail=f"{answer['funding_type']} {answer['funding_expression']}",
        details=(Detail(answer["funding"], "faint"), *ways),
        below=(*outputs, _fee(answer)),
    )


def _output(output: Row, answer: Row, styles: Mapping[str, str], roomy: bool) -> Branch:
    """An output of the commitment, with the children that spend it."""
    children = [
        _child(child, answer, styles, roomy)
        for child in answer["children"]
        if output in answer["outputs"] and child["vout"] == output["index"]
    ]
    return _bare(output, answer, styles, roomy, tuple(children))


def _bare(output: Row, answer: Row, styles: Mapping[str, str], roomy: bool, below: tuple[Branch, ...]) -> Branch:
    provider = output["provider"]
    tail = provider if output["built_in"] else f"{provider} (plugin)"
    details = []
    if roomy and output["address"]:
        details.append(Detail(f"{output['script_type']} {output['address']}", "faint"))
    if not output["built_in"] or (roomy and output["expression"] != output["kind"]):
        details.append(Detail(output["expression"], "faint", cut=True))
    if output["data"]:
        details.append(Detail(f"carries {len(output['data']) // 2} bytes: {output['data']}", "key", cut=True))
    if output["claim_sealed_by"]:
        details.append(Detail(f"who takes it carries bytes of {output['claim_sealed_by']}", "faint"))
    several = len(below) > 1
    details += [_way(way, answer, several) for way in output["ways"]]
    return Branch(
        name=f"{output['index']}  {output['kind']}",
        amount=text("_sat", output["amount_sat"]),
        tail=tail,
        style=styles.get(provider, ""),
        details=tuple(details),
        below=below,
        share=output["amount_sat"] / (answer["capacity_sat"] or 1),
    )


def _way(way: Row, answer: Row, several: bool = False) -> Detail:
    """One way to spend something; an arrow says that it takes the child below."""
    child = answer["children"][way["child"]]["kind"] if way["child"] >= 0 else ""
    style = "bad" if way["if_revoked"] else _style_of(way["by"])
    return Detail(way["text"], style, down=(f" {child}" if several else "") if child else None)


def _style_of(by: Sequence[str]) -> str:
    return SIGNERS.get(" and ".join(by), "wait")


def _child(child: Row, answer: Row, styles: Mapping[str, str], roomy: bool) -> Branch:
    """A transaction that is signed ahead, with its outputs."""
    signer = HOLDERS[answer["holder"]][2]
    said = [f"signed ahead by {signer}"]
    if child["adaptor_point"]:
        said.append(f"incomplete without the secret of {child['adaptor_point'][:SHOWN_DIGITS]}")
    if child["may_be_joined"]:
        said.append("others may join, and pay its fee")
    details = [Detail(", ".join(said), "faint")]
    if child["gated"]:
        details.append(Detail(f"gated: {child['provider']} says when the commitment may stand", "wait"))
    if roomy and child["txid"]:
        details.append(Detail(child["txid"], "faint"))
    outputs = tuple(_bare(output, answer, styles, roomy, ()) for output in child["outputs"])
    fee = f"fee {text('_sat', child['fee_sat'])} sat" if child["fee_sat"] else ""
    return Branch(
        name=child["kind"], tail=fee, style=styles.get(child["provider"], ""), details=tuple(details), below=outputs,
        transaction=True,
    )  # fmt: skip


def _fee(answer: Row) -> Branch:
    """What no output holds, and what of it was trimmed."""
    details = []
    for each in answer["trimmed"]:
        amount = f"{_sat(each['amount_msat'])} sat of it: " if each["amount_msat"] is not None else "in it: "
        details.append(Detail(f"{amount}{each['provider']} {each['id']}, too small for an output", "wait"))
    return Branch(
        name="fee",
        amount=text("_sat", answer["fee_sat"]),
        tail=f"at {answer['feerate_per_kw']:,} sat/kw",
        details=tuple(details),
    )
