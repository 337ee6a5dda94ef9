"""Is what the pages show of a configuration file taken by the node?"""

import re
from pathlib import Path

from contrib.docs.configuration import EXAMPLE
from lnpd.config.file import read_file
from lnpd.config.model import NETWORKS

RUNNING = (Path(__file__).parents[2] / "contrib" / "docs" / "pages" / "running.md").read_text()


def test_the_files_that_are_shown_are_read(tmp_path: Path) -> None:
    shown = re.search(r"config.toml`:\n\n((?: {4}.*\n)+)", RUNNING)
    assert shown is not None
    (tmp_path / "fees.toml").write_text("fee_base_msat = 5")
    for text in (EXAMPLE, re.sub(r"^ {4}", "", shown[1], flags=re.MULTILINE)):
        path = tmp_path / "config.toml"
        path.write_text(text)
        contents = read_file(path)
        assert {"alias", "plugins", "plugin.hello.greeting"} <= contents.of("regtest").keys()
        assert all(contents.of(network) for network in NETWORKS)
