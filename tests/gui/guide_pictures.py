"""Cuts the pictures of docs/guide.md out of the real-window test's screenshots.

.venv/bin/python tests/gui/guide_pictures.py out/gui docs/guide
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PIL import Image

LARGEST_BYTES = 250_000
#: picture -> (screenshot, part of the window, height from its top in pixels; 0: all of it)
PICTURES = {
    "photos": ("photo_added", "sidebar", 410),
    "fitting": ("fit_running", "sidebar", 680),
    "pins": ("pins_dragged", "view", 0),
    "expression": ("expression", "view", 0),
    "identity": ("identity", "view", 0),
    "export": ("export", "sidebar", 460),
    "preferences": ("preferences", "preferences", 520),
    "no_face": ("no_face", "sidebar", 450),
    "backend_killed": ("backend_killed", "sidebar", 540),
}


def main(shots: Path, target: Path) -> None:
    places = json.loads((shots / "places.json").read_text(encoding="utf-8"))
    target.mkdir(parents=True, exist_ok=True)
    for name, (shot, part, height) in PICTURES.items():
        file = next((file for file in places if file[3:] == f"{shot}.png"), None)
        if file is None:
            raise SystemExit(f"There is no screenshot {shot} in {shots}: run the real-window test first.")
        regions = places[file]
        x, y, w, h = {
            "sidebar": regions.get("VIEW_3D UI"),
            "view": regions.get("VIEW_3D WINDOW"),
            "preferences": regions.get("PREFERENCES WINDOW"),
        }[part]
        box = (x, y, x + w, y + (height or h))
        if part == "view":  # the sidebar and the head, without the empty left of the view
            box = (x + 330, y + 40, x + w, y + 800)
        path = target / f"{name}.jpg"
        Image.open(shots / file).convert("RGB").crop(box).save(path, quality=88)
        if path.stat().st_size > LARGEST_BYTES:
            raise SystemExit(f"{path} is larger than {LARGEST_BYTES} bytes: cut it closer.")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
