"""Where do tests find the published test vectors, and what happens when they are absent?"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "vectors"


def load(name: str) -> Any:
    """The parsed JSON of `../shared/vectors/<name>`.

    With CI=true a missing file fails the test; elsewhere the test is skipped with a line that names the file.
    """
    path = FOLDER / name
    if not path.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"test vectors {name} are missing at ../shared/vectors")
        pytest.skip(f"not run: ../shared/vectors/{name} is absent")
    return json.loads(path.read_text())
