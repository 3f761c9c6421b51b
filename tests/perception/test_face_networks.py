"""The converted networks and the whole face pipeline against Google's own runtimes (recorded by make_reference.py)."""

from pathlib import Path

import numpy as np
import pytest
import torch
from make_reference import network_input

from neural_backend.perception.face import FacePerception
from neural_backend.perception.graph import load_graph
from neural_backend.perception.image import load_photo
from neural_backend.perception.landmarks import SCORE_NAMES
from neural_backend.protocol.arkit import ARKIT_INDEX

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
NETS = ("face_detector", "face_landmarks_detector", "face_blendshapes", "selfie_segmentation")


@pytest.fixture(scope="module")
def reference() -> dict:
    return dict(np.load(HERE / "reference.npz"))


@pytest.fixture(scope="module")
def perception() -> FacePerception:
    return FacePerception.load()


@pytest.mark.parametrize("name", NETS)
def test_network_outputs_agree(reference, name):
    net = load_graph(name)
    outputs = net(torch.from_numpy(network_input(name, reference)))
    for i, output in enumerate(outputs):
        expected = reference[f"{name}.{i}"]
        error = np.abs(output.numpy().reshape(expected.shape) - expected).max()
        assert error <= 1e-3, (i, error)
    assert max(np.ptp(reference[f"{name}.{i}"]) for i in range(len(outputs))) > 0.5  # not a flat answer


def test_networks_batch():
    net = load_graph("face_landmarks_detector")
    pixels = torch.rand(3, 256, 256, 3, generator=torch.Generator().manual_seed(0))
    together = net(pixels)[0].reshape(3, -1)
    alone = torch.cat([net(p[None])[0].reshape(1, -1) for p in pixels])
    assert (together - alone).abs().max() < 1e-3


def test_networks_have_gradients():
    net = load_graph("face_landmarks_detector")
    pixels = torch.rand(1, 256, 256, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    net(pixels)[0].sum().backward()
    assert torch.isfinite(pixels.grad).all() and pixels.grad.abs().max() > 0


@pytest.mark.parametrize("file", ["astronaut.png", "grace_hopper.jpg"])
def test_pipeline_agrees_with_mediapipe(reference, perception, file):
    face = perception.detect_as_mediapipe(load_photo(EXAMPLES / file))[0]
    expected = reference[f"{file}.landmarks"]
    eyes = np.linalg.norm(expected[468, :2] - expected[473, :2])
    error = np.linalg.norm(face.landmarks[:, :2] - expected[:, :2], axis=1) / eyes
    assert error.mean() < 0.001 and error.max() < 0.003
    assert np.abs(face.landmarks[:, 2] - expected[:, 2]).mean() / eyes < 0.002
    names = list(reference[f"{file}.score_names"])
    assert names == list(SCORE_NAMES)
    expected_scores = dict(zip(names, reference[f"{file}.scores"], strict=True))
    for name, score in expected_scores.items():
        if name != "_neutral":
            assert abs(face.blendshapes[ARKIT_INDEX[name]] - score) < 0.015, name
    assert face.blendshapes[ARKIT_INDEX["tongueOut"]] == 0
