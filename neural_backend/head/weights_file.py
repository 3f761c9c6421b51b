"""Reading the weights that ship: safetensors only, and a sentence where a file is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import safe_open


def read_weights(path: Path, what: str, mend: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(tensors by name, metadata) of a safetensors file.

    Args:
        what: what the file is, for the sentence: "head template".
        mend: how it is built: "'python -m ...' (docs/...)".

    Raises:
        FileNotFoundError: no file at `path`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"The {what} {path} is missing: reinstall Mien, or build it with {mend}.")
    with safe_open(str(path), framework="numpy") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, dict(file.metadata() or {})
