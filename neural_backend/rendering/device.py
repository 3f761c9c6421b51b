"""Choosing where tensors live. CUDA works from the same code; nothing depends on it."""

from __future__ import annotations

from ..protocol.errors import MienError

DEVICES = ("auto", "cpu", "cuda")


def choose_device(wanted: str) -> str:
    """'auto', 'cpu' or 'cuda' -> 'cpu' or 'cuda'.

    Raises:
        MienError: CUDA was asked for by name and this machine has none.
    """
    import torch

    if wanted not in DEVICES:
        raise MienError("bad_option", f"Device must be one of {', '.join(DEVICES)}, not '{wanted}'.")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise MienError("no_cuda", "No CUDA device was found: choose device 'auto' or 'cpu'.")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"
