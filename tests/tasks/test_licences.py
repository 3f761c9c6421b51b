"""Every weight that ships has its licence in the ledger, and a head carries the notices in full."""

from __future__ import annotations

from neural_backend.head.template import WEIGHTS_FOLDER
from neural_backend.tasks.licences import LEDGER, package_licences


def test_every_weight_is_in_the_ledger():
    sections = [entry["what"] for entry in package_licences()]
    weights = [path.name for path in WEIGHTS_FOLDER.glob("*.safetensors")]
    assert weights
    assert not [name for name in weights if not any(section.startswith(name) for section in sections)]


def test_notices_are_whole():
    statistics = next(entry for entry in package_licences() if "shape statistics" in entry["what"])
    assert statistics["licence"] == "MIT"
    assert statistics["notice"].startswith("Copyright (c) 2020 USC Institute for Creative Technologies.")
    assert statistics["notice"].endswith("OTHER DEALINGS IN THE SOFTWARE.")
    assert "\n" not in statistics["notice"] and "- **" not in statistics["notice"]


def test_the_texts_that_licences_ask_for_ship():
    assert LEDGER.read_text(encoding="utf-8").count("Apache-2.0") >= 2
    assert "Apache License" in (LEDGER.parent / "licenses" / "Apache-2.0.txt").read_text(encoding="utf-8")
