"""How the command line talks to Blender's half, with a script in Blender's place."""

from __future__ import annotations

import pytest

from neural_backend import cli
from neural_backend.protocol.errors import MienError


@pytest.fixture
def script(tmp_path, monkeypatch):
    def write(*lines: str):
        path = tmp_path / "script.py"
        path.write_text("\n".join(["import json, pathlib, sys", *lines]))
        monkeypatch.setattr(cli, "BLENDER_SCRIPT", path)
        (tmp_path / "out").mkdir()
        return tmp_path / "me.head", tmp_path / "out"

    return write


def test_written_files_come_back(script):
    package, output = script(
        "print('Read blend')", "print('{no json')", "print(json.dumps({'done': 0.5, 'text': 'fbx'}))",
        "print(json.dumps({'written': 'out/head.fbx'}))",
    )  # fmt: skip
    seen = []
    written = cli.make_blender_files(package, output, lambda *call: seen.append(call), ["fbx"])
    assert [path.name for path in written] == ["head.fbx"]
    assert seen == [("blender", 0.5, "fbx")]
    assert not list(output.iterdir())


def test_blender_s_own_sentence_reaches_the_user(script):
    package, output = script(
        "sys.stderr.write('deep inside')",
        "print(json.dumps({'error': 'me.head is damaged: fit the photo again.'}))",
        "sys.exit(3)",
    )  # fmt: skip
    with pytest.raises(MienError, match="me.head is damaged: fit the photo again; ") as caught:
        cli.make_blender_files(package, output, lambda *call: None, ["fbx"])
    assert caught.value.code == "blender_failed"
    assert "deep inside" in (output / "blender.log").read_text()


def test_an_interrupt_leaves_no_partial_file(script):
    package, output = script(
        "(pathlib.Path(sys.argv[3]) / '.head.partial.fbx').write_text('half')",
        "print(json.dumps({'done': 0.1}), flush=True)", "import time", "time.sleep(60)",
    )  # fmt: skip

    def interrupt(*_call):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cli.make_blender_files(package, output, interrupt, ["fbx"])
    assert not list(output.iterdir())
