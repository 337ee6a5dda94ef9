"""Which checks has a running node, and in which order are they told? Each is a row; `lnp doctor` adds those of
lnpd/cli/doctor, which need no node."""

from typing import Final

from lnpd.rpc.answers import Finding
from lnpd.services.doctor import of_chain, of_channels, of_node
from lnpd.services.doctor.check import Check, found_by
from lnpd.services.doctor.patient import Patient
from lnpd.services.node.services import Services

NODE_CHECKS: Final[tuple[Check[Patient], ...]] = (*of_chain.CHECKS, *of_node.CHECKS, *of_channels.CHECKS)


async def findings(services: Services) -> tuple[Finding, ...]:
    """What is wrong with a node that runs."""
    return await found_by(NODE_CHECKS, Patient(services))
