"""The licences a head carries: what it was made from, read from the ledger that ships beside the weights."""

from __future__ import annotations

import re

from ..head.template import WEIGHTS_FOLDER

LEDGER = WEIGHTS_FOLDER / "LICENSES.md"


def package_licences() -> tuple[dict[str, str], ...]:
    """One entry per `## ` section of weights/LICENSES.md: what, licence, notice."""
    entries = []
    for section in re.split(r"^## ", LEDGER.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title, _, body = section.partition("\n")
        licence = re.search(r"^- \*\*Licence\*\*: (.+)$", body, flags=re.MULTILINE)
        notice = re.search(r"^- \*\*Notice\*\*: (.+)$", body, flags=re.MULTILINE)
        entries.append(
            {
                "what": title.strip(),
                "licence": licence.group(1).strip() if licence else "see weights/LICENSES.md",
                "notice": notice.group(1).strip() if notice else "",
            }
        )
    entries.append(
        {
            "what": "the photos",
            "licence": "the user's own",
            "notice": "The head shows a person: their rights and the photographer's are yours to clear.",
        }
    )
    return tuple(entries)
