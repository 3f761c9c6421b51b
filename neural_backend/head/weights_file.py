"""Reading the weights that ship: safetensors only, with numpy alone, and a sentence where a file is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..protocol.safetensors import read_header


def read_weights(path: Path, what: str, mend: str) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(tensors by name, metadata) of a safetensors file.

    Args:
        what: what the file is, for the sentence: "head template".
        mend: how it is built: "'python -m ...' (docs/...)".

    Raises:
        FileNotFoundError: no file at `path`.
        ValueError: the file is damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"The {what} {path} is missing: reinstall Mien, or build it with {mend}.")
    tensors, metadata = read_header(path)
    content = Path(path).read_bytes()
    arrays = {
        name: np.frombuffer(content[tensor.begin : tensor.end], tensor.dtype).reshape(tensor.shape).copy()
        for name, tensor in tensors.items()
    }
    return arrays, metadata
