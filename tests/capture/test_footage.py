"""Footage: photos, folders and videos, in every container that OpenCV writes here; turned, uneven, broken."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest

from neural_backend.capture.footage import natural_order, open_footage
from neural_backend.evaluation.known_clip import write_video
from neural_backend.protocol.errors import MienError


def numbered(count=10, width=64, height=48):
    """Frame k is grey 20 k, with a white left edge."""
    for k in range(count):
        frame = np.full((height, width, 3), 20 * k, np.uint8)
        frame[:, :8] = 255
        yield frame


def code_of(call):
    with pytest.raises(MienError) as caught:
        call()
    return caught.value.code


@pytest.mark.parametrize(("ending", "fourcc"), [("mp4", "mp4v"), ("mov", "mp4v"), ("webm", "VP90"), ("avi", "MJPG")])
def test_videos_come_back(tmp_path, ending, fourcc):
    footage = open_footage((str(write_video(tmp_path / f"clip.{ending}", numbered(), 25.0, fourcc)),))
    frames = list(footage.frames())
    assert (footage.kind, footage.name, footage.count) == ("video", "clip", 10)
    assert footage.rate == pytest.approx(25.0, abs=0.1)
    np.testing.assert_allclose([frame.seconds for frame in frames], np.arange(10) / 25, atol=0.002)
    np.testing.assert_allclose([frame.srgb[24, 40].mean() for frame in frames], 20 * np.arange(10), atol=6)
    assert len(list(footage.frames())) == 10  # it can be gone through again


def test_every_third_frame(tmp_path):
    path = write_video(tmp_path / "clip.mp4", numbered(), 30.0)
    footage = open_footage((str(path),), stride=3)
    np.testing.assert_allclose([frame.seconds for frame in footage.frames()], [0, 0.1, 0.2, 0.3], atol=1e-6)
    assert footage.count == 4 and footage.rate == pytest.approx(10.0)


def test_a_phone_held_upright(tmp_path):
    """The track header says: turn by 90 degrees."""
    path = write_video(tmp_path / "clip.mp4", numbered(4), 30.0)
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix follows 40 bytes
    assert struct.unpack(">9i", data[at : at + 36])[0] == 0x10000
    data[at : at + 36] = struct.pack(">9i", 0, 0x10000, 0, -0x10000, 0, 0, 48 << 16, 0, 0x40000000)
    path.write_bytes(data)
    frames = list(open_footage((str(path),)).frames())
    assert (frames[0].width, frames[0].height) == (48, 64)
    assert frames[0].srgb[:6].mean() > 200 > frames[0].srgb[12:].mean()  # the left edge is on top


def test_a_variable_frame_rate(tmp_path):
    """Time stamps in a WebM's blocks are moved: 0, 40, then 100 ms further each."""
    path = write_video(tmp_path / "clip.webm", numbered(6), 25.0, "VP90")
    data, wanted = bytearray(path.read_bytes()), [0, 40, 140, 240, 340, 440]
    for k in range(5, 1, -1):
        old = b"\x81" + struct.pack(">h", 40 * k)  # track 1, milliseconds, then flags
        places = [i for i in range(len(data)) if data[i : i + 3] == old and data[i + 3] in (0x00, 0x80)]
        assert len(places) == 1
        data[places[0] + 1 : places[0] + 3] = struct.pack(">h", wanted[k])
    path.write_bytes(data)
    seconds = [frame.seconds for frame in open_footage((str(path),)).frames()]
    np.testing.assert_allclose(seconds, np.array(wanted) / 1000, atol=1e-6)


def test_a_folder_in_natural_order(tmp_path):
    for k, frame in enumerate(numbered(12)):
        cv2.imwrite(str(tmp_path / f"f_{k}.png"), frame)
    (tmp_path / "notes.txt").write_text("no frame")
    footage = open_footage((str(tmp_path),), rate=24.0)
    frames = list(footage.frames())
    assert footage.kind == "frames" and footage.count == 12
    assert [int(frame.srgb[0, 40, 0]) for frame in frames] == [20 * k for k in range(12)]
    assert frames[6].seconds == pytest.approx(0.25)
    assert sorted(["a10", "a9", "A1"], key=natural_order) == ["A1", "a9", "a10"]


def test_bad_footage_has_a_code(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "clip.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42 and then nothing")
    (tmp_path / "notes.txt").write_text("hello")
    mixed, broken = tmp_path / "mixed", tmp_path / "broken"
    for folder in (mixed, broken):
        folder.mkdir()
        cv2.imwrite(str(folder / "0.png"), np.zeros((40, 40, 3), np.uint8))
    cv2.imwrite(str(mixed / "1.png"), np.zeros((50, 40, 3), np.uint8))
    (broken / "1.png").write_bytes((broken / "0.png").read_bytes()[:30])
    assert code_of(lambda: open_footage(())) == "no_photo"
    assert code_of(lambda: open_footage((str(tmp_path / "gone.mp4"),))) == "missing"
    assert code_of(lambda: open_footage((str(tmp_path / "empty"),))) == "no_frames"
    assert code_of(lambda: open_footage((str(tmp_path / "clip.mp4"),))) == "unreadable_video"
    assert code_of(lambda: open_footage((str(tmp_path / "notes.txt"),))) == "unreadable_video"
    assert code_of(lambda: list(open_footage((str(mixed),)).frames())) == "mixed_frames"
    assert code_of(lambda: list(open_footage((str(broken),)).frames())) == "not_an_image"
    assert code_of(lambda: open_footage((str(mixed),), rate=0.0)) == "bad_option"
    assert code_of(lambda: open_footage((str(mixed),), stride=0)) == "bad_option"
    assert code_of(lambda: open_footage((str(mixed), str(broken)))) == "bad_option"


def test_a_video_that_is_cut_off_gives_what_is_there(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (10, 96, 128, 3), np.uint8)
    path = write_video(tmp_path / "clip.avi", iter(noise), 25.0, "MJPG")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    footage = open_footage((str(path),))
    found = len(list(footage.frames()))
    assert 2 <= found < 10


@pytest.mark.parametrize(("ending", "codec"), [("mp4", "mp4v"), ("webm", "VP90")])
def test_a_whole_video_misses_nothing(tmp_path, ending, codec):
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 128, 3), np.uint8)
    footage = open_footage((str(write_video(tmp_path / f"clip.{ending}", iter(noise), 25.0, codec)),))
    assert footage.missing(len(list(footage.frames()))) == 0


def test_an_end_that_cannot_be_read_is_counted(tmp_path):
    """An MP4's table names 40 frames; the last ones' bytes are gone."""
    noise = np.random.default_rng(0).integers(0, 255, (40, 96, 128, 3), np.uint8)
    path = write_video(tmp_path / "clip.mp4", iter(noise), 25.0, "mp4v")
    data = bytearray(path.read_bytes())
    begin, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    cut = begin + (end - begin) * 7 // 10
    data[cut:end] = bytes(end - cut)
    path.write_bytes(data)
    footage = open_footage((str(path),))
    found = len(list(footage.frames()))
    assert 20 <= found < 38 and footage.missing(found) == 40 - found
