"""Heads for game engines: presets, levels of detail, maps packed the engines' way (docs/export.md)."""
