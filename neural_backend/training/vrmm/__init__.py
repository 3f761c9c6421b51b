"""Training of VRMM: `mien train vrmm`. docs/volume.md has the recipe."""
