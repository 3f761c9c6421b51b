"""Capture against the truth: a rendered performance, real photos, what cannot be captured, cancelling."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from neural_backend.capture.take import Take
from neural_backend.cli import main
from neural_backend.evaluation.capture import columns_of, lag_of, measure
from neural_backend.protocol.arkit import ARKIT_INDEX
from neural_backend.protocol.cancellation import CancelToken, working_under
from neural_backend.protocol.errors import Cancelled, MienError
from neural_backend.tasks.capture import CaptureRequest, run

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def take(known, tmp_path_factory) -> Take:
    folder = tmp_path_factory.mktemp("takes")
    seen = []
    request = CaptureRequest(str(known.package), (str(known.clip),), str(folder))
    outcome = run(request, lambda stage, done, text="": seen.append((stage, done)))
    assert outcome.take == folder / "known.take" and os.listdir(folder) == ["known.take"]
    assert [stage for stage, _ in seen if stage == "look"].__len__() >= len(known.truth.seconds)  # frame by frame
    assert list(dict.fromkeys(stage for stage, _ in seen)) == ["look", "solve", "smooth", "write"]
    return Take.read(outcome.take)


def test_the_take_holds_the_clip(take, known):
    assert take.kind == "video" and take.head == "known" and not take.gaps
    np.testing.assert_allclose(take.seconds, known.truth.seconds, atol=1e-3)
    assert take.confidence.min() > 0.5 and "calm frames as the neutral" in take.report["rest_from"]
    assert 0 <= take.weights.min() and take.weights.max() <= 1


@pytest.mark.parametrize(
    ("group", "error", "correlation"),
    [("jaw", 0.07, 0.95), ("smile", 0.08, 0.95), ("blink", 0.06, 0.85), ("brows", 0.16, 0.6)],
)
def test_shapes_follow_the_truth_in_time(take, known, group, error, correlation):
    truth, columns = known.truth.weights, columns_of(group)
    got = measure(truth, take.weights, columns)
    print(group, got)
    assert got.error < error and got.correlation > correlation
    for column in columns:
        if np.ptp(truth[:, column]) > 0.5 and np.ptp(take.weights[:, column]) > 0.3:
            assert abs(lag_of(truth[:, column], take.weights[:, column])) == 0


def test_blinks_of_three_frames_shut_the_eye(take, known):
    lid = take.weights[:, ARKIT_INDEX["eyeBlinkLeft"]]
    assert all(lid[middle - 1 : middle + 2].max() > 0.75 for middle in (15, 33, 52))
    assert lid[[5, 24, 44]].max() < 0.25


def test_better_than_the_raw_scores(take, known):
    everything = list(range(52))
    raw, refined = (measure(known.truth.weights, values, everything) for values in (take.scores, take.weights))
    print("scores", raw, "captured", refined)
    assert refined.error < 0.8 * raw.error


def test_the_heads_turn(take, known):
    between = np.einsum("fji,fjk->fik", known.truth.view_from_head, take.view_from_head)
    off = np.degrees(np.arccos(np.clip((np.trace(between, axis1=1, axis2=2) - 1) / 2, -1, 1)))
    assert off.mean() < 4.0
    yaw = np.arctan2(known.truth.view_from_head[:, 0, 2], known.truth.view_from_head[:, 2, 2])
    assert np.corrcoef(take.head_angles[:, 0], yaw)[0, 1] > 0.97


def test_a_gap_is_bridged_and_told(known, tmp_path):
    frames = tmp_path / "frames"
    frames.mkdir()
    video = cv2.VideoCapture(str(known.clip))
    for index in range(24):
        frame = video.read()[1]
        cv2.imwrite(str(frames / f"{index}.png"), np.full_like(frame, 80) if 9 <= index < 14 else frame)
    take = Take.read(run(CaptureRequest(str(known.package), (str(frames),), str(tmp_path), frame_rate=30.0)).take)
    assert take.gaps == ((0.3, 0.4333),) and take.report["frames_without_face"] == 5
    assert (take.confidence[9:14] == 0).all() and take.confidence[[0, 8, 14, 23]].min() > 0.5
    smile = take.weights[:, ARKIT_INDEX["mouthSmileLeft"]]
    assert min(smile[8], smile[14]) - 0.1 < smile[11] < max(smile[8], smile[14]) + 0.1


def test_a_smiling_portrait_smiles_more_than_a_calm_one(known, tmp_path):
    photos = (str(EXAMPLES / "astronaut.png"), str(EXAMPLES / "grace_hopper.jpg"))
    take = Take.read(run(CaptureRequest(str(known.package), photos, str(tmp_path))).take)
    smile = take.weights[:, [ARKIT_INDEX["mouthSmileLeft"], ARKIT_INDEX["mouthSmileRight"]]].mean(1)
    assert take.kind == "photos" and smile[0] > 0.5 > 0.3 > smile[1]


def test_no_face_no_take(known, tmp_path):
    frames = tmp_path / "walls"
    frames.mkdir()
    for index in range(4):
        cv2.imwrite(str(frames / f"{index}.png"), np.full((120, 160, 3), 60 + 30 * index, np.uint8))
    output = tmp_path / "out"
    for sources, photo in (((str(frames),), None), ((str(frames / "0.png"),), 0)):
        with pytest.raises(MienError) as caught:
            run(CaptureRequest(str(known.package), sources, str(output)))
        assert caught.value.code == "no_face" and caught.value.photo == photo
    with pytest.raises(MienError, match="not a head package"):
        run(CaptureRequest(str(tmp_path), (str(frames),), str(output)))
    with pytest.raises(MienError, match="Neutral must be"):
        run(CaptureRequest(str(known.package), (str(frames),), str(output), neutral="calm"))
    assert not output.exists()


def test_cancelled_in_the_middle(known, tmp_path):
    for stop_at in ("look", "solve"):
        token = CancelToken()

        def progress(stage: str, done: float, text: str = "", at: str = stop_at, token: CancelToken = token) -> None:
            if stage == at and done > 0.1:
                token.cancel()
            token.check()

        with pytest.raises(Cancelled), working_under(token):
            run(CaptureRequest(str(known.package), (str(known.clip),), str(tmp_path)), progress)
    assert list(tmp_path.iterdir()) == []


def test_the_command_line(known, tmp_path, capsys):
    arguments = ["capture", str(known.package), str(known.clip), "-o", str(tmp_path), "--stride", "6", "--name", "a/b"]
    assert main(arguments) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "a_b.take")
    text = json.loads((tmp_path / "a_b.take" / "take.json").read_text())
    assert text["frames"] == 10 and text["rate"] == 5.0
    assert main(["capture", str(known.package), str(tmp_path / "gone.mp4"), "-o", str(tmp_path)]) == 3
    assert "gone.mp4 is not there" in capsys.readouterr().err
    assert main([*arguments[:3], "-o", str(known.clip)]) == 4
    assert main([*arguments, "--stride", "0"]) == 2


def test_takes_that_cannot_be_read(take, tmp_path):
    path = take.write(tmp_path)
    (path / "take.npz").write_bytes(b"cut")
    with pytest.raises(MienError, match="damaged"):
        Take.read(path)
    text = json.loads((path / "take.json").read_text()) | {"format": 99}
    (path / "take.json").write_text(json.dumps(text))
    with pytest.raises(MienError, match="newer"):
        Take.read(path)
    with pytest.raises(MienError, match="not a take"):
        Take.read(tmp_path)
