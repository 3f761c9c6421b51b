"""Write reference.npz: what Google's own runtimes answer on the two example portraits.

Run in an environment of its own (mediapipe clashes with ours), with the files that `convert_perception` takes:

    pip install mediapipe==0.10.21 ai-edge-litert
    python tests/perception/make_reference.py face_landmarker.task selfie_segmentation.tflite
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parent.parent / "examples"
NETS = ("face_detector", "face_landmarks_detector", "face_blendshapes")


def main(task: str, selfie: str) -> None:
    import mediapipe as mp
    from ai_edge_litert.interpreter import Interpreter
    from mediapipe.tasks.python import BaseOptions, vision
    from PIL import Image

    result = {}
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=task), output_face_blendshapes=True, num_faces=1
    )
    landmarker = vision.FaceLandmarker.create_from_options(options)
    for file in ("astronaut.png", "grace_hopper.jpg"):
        pixels = np.ascontiguousarray(Image.open(EXAMPLES / file).convert("RGB"))
        height, width = pixels.shape[:2]
        answer = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
        points = [[p.x * width, p.y * height, p.z * width] for p in answer.face_landmarks[0]]
        result[f"{file}.landmarks"] = np.array(points, np.float32)
        result[f"{file}.scores"] = np.array([c.score for c in answer.face_blendshapes[0]], np.float32)
        result[f"{file}.score_names"] = np.array([c.category_name for c in answer.face_blendshapes[0]])
    models = {"selfie_segmentation": Path(selfie).read_bytes()}
    with zipfile.ZipFile(io.BytesIO(Path(task).read_bytes())) as members:
        models |= {name: members.read(f"{name}.tflite") for name in NETS}
    for name, data in models.items():
        interpreter = Interpreter(model_content=data)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], network_input(name, result))
        interpreter.invoke()
        for i, output in enumerate(interpreter.get_output_details()):
            result[f"{name}.{i}"] = interpreter.get_tensor(output["index"]).astype(np.float32)
    np.savez_compressed(HERE / "reference.npz", **result)


def network_input(name: str, reference: dict) -> np.ndarray:
    """A real input for a network: pixels of the astronaut at the network's size, without any resampling."""
    from PIL import Image

    pixels = np.asarray(Image.open(EXAMPLES / "astronaut.png").convert("RGB"), np.float32)
    if name == "face_detector":
        return pixels[None, 40:168, 160:288] / 127.5 - 1
    if name == "face_landmarks_detector":
        return pixels[None, 0:256, 96:352] / 255
    if name == "selfie_segmentation":
        return pixels[None, 0:512:2, 0:512:2] / 255
    from neural_backend.perception.landmarks import BLENDSHAPE_POINTS

    return reference["grace_hopper.jpg.landmarks"][None, BLENDSHAPE_POINTS, :2]


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent.parent))
    main(*sys.argv[1:])
