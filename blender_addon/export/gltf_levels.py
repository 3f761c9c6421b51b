"""MSFT_lod in a GLB that Blender's exporter wrote. Standard library alone.

https://github.com/KhronosGroup/glTF/tree/main/extensions/2.0/Vendor/MSFT_lod: the node of the finest level names the
others by id, finest first. The others hang in no scene, so that a reader without the extension (three.js, Godot) shows
the finest level and nothing twice.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

EXTENSION = "MSFT_lod"
#: Least part of the screen's height that each level covers before the next one takes over; below the last, nothing.
SCREEN_COVERAGE = (0.5, 0.2, 0.01)
_JSON = 0x4E4F534A


def tie_levels(path: Path, names: list[str]) -> None:
    """Rewrite the GLB: the nodes `names`, finest first, become levels of the first one.

    Raises:
        ValueError: the file is no GLB or lacks a node of that name.
    """
    document, rest = read_glb(path)
    nodes = document["nodes"]
    number = {node.get("name"): index for index, node in enumerate(nodes) if "mesh" in node}
    missing = [name for name in names if name not in number]
    if missing:
        raise ValueError(f"the exporter wrote no node {missing[0]}")
    first, *others = (number[name] for name in names)
    for holder, key in [(node, "children") for node in nodes] + [(scene, "nodes") for scene in document["scenes"]]:
        if key in holder:
            kept = [index for index in holder[key] if index not in others]
            if kept:
                holder[key] = kept
            else:
                del holder[key]
    nodes[first].setdefault("extensions", {})[EXTENSION] = {"ids": others}
    nodes[first].setdefault("extras", {})["MSFT_screencoverage"] = list(SCREEN_COVERAGE[: len(names)])
    used = document.setdefault("extensionsUsed", [])
    if EXTENSION not in used:
        used.append(EXTENSION)
    _write_glb(path, document, rest)


def read_glb(path: Path) -> tuple[dict, bytes]:
    """(the JSON chunk, the bytes of the chunks after it)."""
    content = path.read_bytes()
    if len(content) < 20 or content[:4] != b"glTF":
        raise ValueError(f"{path.name} is not a GLB file")
    length, kind = struct.unpack_from("<II", content, 12)
    if kind != _JSON:
        raise ValueError(f"{path.name} does not begin with its description")
    return json.loads(content[20 : 20 + length]), content[20 + length :]


def _write_glb(path: Path, document: dict, rest: bytes) -> None:
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + len(rest)
    path.write_bytes(struct.pack("<4sIIII", b"glTF", 2, total, len(text), _JSON) + text + rest)
