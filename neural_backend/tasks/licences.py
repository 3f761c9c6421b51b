"""The licences a head carries: what it was made from, read from the ledger that ships beside the weights."""

from __future__ import annotations

import re

from ..head.template import WEIGHTS_FOLDER

LEDGER = WEIGHTS_FOLDER / "LICENSES.md"


def package_licences() -> tuple[dict[str, str], ...]:
    """One entry per `## ` section of weights/LICENSES.md: what, licence, notice, each in full.

    Raises:
        ValueError: a section of the ledger names no licence or no notice.
    """
    entries = []
    for section in re.split(r"^## ", LEDGER.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        entries.append(
            {"what": title.strip(), "licence": _entry(title, body, "Licence"), "notice": _entry(title, body, "Notice")}
        )
    entries.append(
        {
            "what": "the photos",
            "licence": "the user's own",
            "notice": "The head shows a person: their rights and the photographer's are yours to clear.",
        }
    )
    return tuple(entries)


def _entry(title: str, body: str, name: str) -> str:
    """The text after `- **name**:` up to the next entry; notices run over several lines."""
    found = re.search(rf"^- \*\*{name}\*\*: (.+?)(?=^- \*\*|\Z)", body, flags=re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"{LEDGER.name}: the section '{title.strip()}' has no {name}.")
    return " ".join(found.group(1).split())
