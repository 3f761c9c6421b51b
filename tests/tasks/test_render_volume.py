"""`mien render` with a small untrained model: real decoding and marching, real files."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch

from neural_backend import cli
from neural_backend.head.template import HeadTemplate
from neural_backend.models.vrmm.config import VRMMConfig
from neural_backend.models.vrmm.vrmm import VRMM
from neural_backend.protocol.errors import Cancelled, MienError
from neural_backend.rendering.environment import named_environment
from neural_backend.tasks.frame_files import PngSequence, Video
from neural_backend.tasks.render_volume import (
    RenderRequest,
    encode,
    expression_weights,
    identity_code,
    run,
    turntable,
)

TINY = VRMMConfig(
    identity=6, expression=5, grid=16, voxels=4, channels=(12, 12, 8, 8), identity_channels=(8, 8, 8),
    light_channels=(6, 6, 6, 4), mesh_hidden=16, mesh_residual=3, encoder_channels=(8, 8, 8), encoder_size=32,
    adaptor_hidden=8,
)  # fmt: skip
SIZE = 40


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A model moved off its start, where many weights are zero and the codes would change nothing."""
    model = VRMM(TINY, HeadTemplate.load(), ("anna", "ben"), seed=3)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=draw)
        for parameter in model.arkit_adaptor.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=draw)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def model(weights):
    return VRMM.load(weights, HeadTemplate.load())


def frames(model, expression=(), environment=None, **options):
    request = RenderRequest("anna", expression=expression, size=SIZE, **{"frames": 1} | options)
    environment = named_environment("studio") if environment is None else environment
    return list(turntable(model, request, expression_weights(expression), environment))


def test_command_writes_video_and_pngs(weights, tmp_path, capsys):
    video, folder = tmp_path / "turn.mp4", tmp_path / "png"
    folder.mkdir()
    (folder / "frame_0003.png").write_bytes(b"of a longer sequence")
    (folder / "notes.txt").write_text("mine")
    command = ["render", "anna:ben:0.5", "--engine", "volume", "--expression", "jawOpen=0.4", "--gaze=-10,5"]
    command += ["--turntable", str(video), "-o", str(folder), "--size", str(SIZE), "--frames", "3"]
    assert cli.main([*command, "--weights", str(weights)]) == 0
    assert capsys.readouterr().out.split() == [str(folder), str(video)]
    assert sorted(path.name for path in folder.iterdir()) == [*(f"frame_000{i}.png" for i in range(3)), "notes.txt"]
    picture = cv2.imread(str(folder / "frame_0000.png"), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (SIZE, SIZE, 4)
    assert picture[0, 0, 3] == 0 and picture[SIZE // 2, SIZE // 2, 3] > 128
    reader = cv2.VideoCapture(str(video))
    assert int(reader.get(cv2.CAP_PROP_FRAME_COUNT)) == 3
    assert reader.read()[1].shape == (SIZE, SIZE, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["png", "turn.mp4"]


def test_expression_and_gaze_and_subject_change_the_picture(model):
    (rest, *_), (smile, *_) = frames(model)[0], frames(model, ("mouthSmileLeft=1", "jawOpen=0.5"))[0]
    (gaze, *_) = frames(model, gaze_deg=(25.0, 0.0))[0]
    request = RenderRequest("ben", size=SIZE, frames=1)
    (other, *_) = next(turntable(model, request, expression_weights(()), named_environment("studio")))
    for changed in (smile, gaze, other):
        assert float((changed - rest).abs().max()) > 1e-3


def test_doubled_light_doubles_the_picture(model):
    light = named_environment("sunset")
    (once, alpha, _), (twice, same, _) = frames(model, environment=light)[0], frames(model, environment=2 * light)[0]
    (stop, *_) = frames(model, environment=light, exposure=1.0)[0]
    assert torch.equal(alpha, same) and float(once.abs().max()) > 1e-3
    for doubled in (twice, stop):
        assert float((doubled - 2 * once).norm() / doubled.norm()) < 1e-5


def test_a_portrait_is_nearer_than_what_shows_all(model):
    near, far = (frames(model, framing=framing)[0][1] > 0.5 for framing in ("portrait", "all"))
    assert near.float().mean() > 1.15 * far.float().mean() and not near[0].any()


def test_whole_head_is_in_the_picture_from_every_side(model):
    for _, alpha, _ in frames(model, frames=4, framing="all"):
        border = torch.cat([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert float(border.max()) == 0
        assert float((alpha > 0.5).any(1).float().mean()) > 0.6


def test_turning_the_light_keeps_the_outline_and_turning_the_camera_does_not(model):
    by_light, by_camera = frames(model, frames=3, turn="light"), frames(model, frames=3, turn="camera")
    assert torch.equal(by_light[0][1], by_light[1][1]) and not torch.equal(by_light[0][0], by_light[1][0])
    assert not torch.equal(by_camera[0][1], by_camera[1][1])
    assert torch.equal(by_light[0][0], by_camera[0][0])


def test_environment_stands_behind_as_the_camera_sees_it(model):
    """A lamp at the subject's back left is right of the head in a picture from the front; turned half, it is gone."""
    light = torch.zeros(64, 128, 3)
    light[30:34, 1:3] = 5.0  # behind: the left edge of the picture is -Z; a little towards +X
    behind = frames(model, environment=light, background="environment")[0][2]
    assert behind.shape == (SIZE, SIZE, 3)
    assert float(behind[:, SIZE // 2 :].max()) > 1 and float(behind[:, : SIZE // 2].max()) == 0
    turned = frames(model, environment=light, background="environment", environment_turn_deg=180.0)[0][2]
    assert float(turned.max()) == 0


def test_blend_lies_between(model):
    a, b = identity_code(model, "anna"), identity_code(model, "ben")
    assert torch.allclose(identity_code(model, "anna:ben:0.25"), 0.75 * a + 0.25 * b)


def test_encode_composes_in_linear_light():
    rgb, alpha = torch.full((2, 2, 3), 0.25), torch.full((2, 2), 0.5)
    straight, over = encode(rgb, alpha, None), encode(rgb, alpha, 0.5)
    assert straight[0, 0].tolist() == [188, 188, 188, 128]  # 0.5 in sRGB
    assert over[0, 0].tolist() == [188, 188, 188]


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"expression": ("jawOpenn=0.4",)}, 2, "jawOpen?"),
        ({"expression": ("jawOpen=2",)}, 2, "0 to 1"),
        ({"subject": "nobody"}, 3, "nobody"),
        ({"subject": "anna:ben"}, 2, "a:b:0.5"),
        ({"weights": "missing.safetensors"}, 3, "missing.safetensors"),
        ({"environment": "absent.exr"}, 3, "absent.exr"),
        ({"environment": "text.hdr"}, 3, "text.hdr"),
        ({"environment": "moonlight"}, 3, "studio"),
        ({"output": None}, 2, "--turntable"),
        ({"turntable": "turn.gif"}, 2, "mp4"),
        ({"frames": 0}, 2, "frames"),
    ],
)
def test_mistakes_are_told_in_one_sentence(weights, tmp_path, monkeypatch, capsys, changes, code, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.hdr").write_text("no picture")
    request = RenderRequest("anna", output="out", size=16, frames=1, weights=str(weights))
    request = dataclasses.replace(request, **changes)
    command = ["render", request.subject, "--size", str(request.size), "--frames", str(request.frames)]
    command += ["--weights", request.weights, "--environment", request.environment]
    if request.output:
        command += ["-o", request.output]
    if request.turntable:
        command += ["--turntable", request.turntable]
    if request.expression:
        command += ["--expression", *request.expression]
    assert cli.main(command) == code
    printed = capsys.readouterr()
    sentences = [line for line in printed.err.splitlines() if line.startswith("mien: ")]
    assert len(sentences) == 1 and says in sentences[0], printed.err
    assert "Traceback" not in printed.err and not printed.out
    assert [path.name for path in tmp_path.iterdir()] == ["text.hdr"]


def test_stopped_render_leaves_nothing(weights, tmp_path):
    def stop(stage, done, text=""):
        if stage == "render" and done > 0.4:
            raise Cancelled

    folder, video = tmp_path / "png", tmp_path / "turn.mp4"
    request = RenderRequest("anna", output=str(folder), turntable=str(video), size=16, frames=4, weights=str(weights))
    with pytest.raises(Cancelled):
        run(request, stop)
    assert not list(tmp_path.iterdir())


def test_sinks_refuse_what_cannot_be_written(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    frame = np.zeros((16, 16, 3), np.uint8)
    with pytest.raises(MienError), PngSequence(blocked / "png") as sink:
        sink.write(frame)
    with pytest.raises(MienError), Video(blocked / "turn.mp4", 24.0) as sink:
        sink.write(frame)
