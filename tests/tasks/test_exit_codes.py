"""What the process answers to each way a fit can end."""

from __future__ import annotations

import pytest

from neural_backend import cli
from neural_backend.protocol.errors import Cancelled, MienError
from neural_backend.tasks import fit


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (Cancelled(), 130),
        (MienError("no_face", "No face was found."), 3),
        (MienError("cannot_write", "The disk is full."), 4),
        (MienError("fit_failed", "The pose cannot be found."), 5),
        (MienError("no_cuda", "No CUDA device was found."), 2),
        (RuntimeError("a bug"), 70),
    ],
)
def test_exit_code(capsys, monkeypatch, tmp_path, error, code):
    def end(request, progress):
        progress("fit", 0.5, "Finding the face")
        raise error

    monkeypatch.setattr(fit, "run", end)
    assert cli.main(["fit", "a.png", "-o", str(tmp_path / "out"), "--no-blender"]) == code
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err and not captured.out
    assert not (tmp_path / "out").exists()
