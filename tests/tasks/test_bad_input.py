"""Bad and odd input at the front door. Each kind gives one sentence and an exit code, or the right result; never a
traceback, and never anything left in the output folder.

Refused: missing file, folder, no bytes, text named .jpg, cut JPEG, cut PNG, HEIC, SVG, PDF, camera raw, animated GIF,
multi-page TIFF, one pixel, twelve pixels, a decompression bomb, fully transparent, noise, plain white, a face of a few
pixels, two people, no photo at all, wrong quality, wrong map size, wrong device, unusable name, output that is a file,
output below a file, one good and one bad photo.
Accepted, with landmarks where they belong: grey, grey with alpha, palette, alpha, 16 bits, CMYK, WebP, BMP, TIFF,
EXIF orientation, 24 MP, a phone's thumbnail size.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from neural_backend import cli
from neural_backend.perception.face import FacePerception, choose_face
from neural_backend.perception.image import load_photo

PORTRAIT = Path(__file__).resolve().parents[2] / "examples" / "astronaut.png"


def portrait() -> Image.Image:
    return Image.open(PORTRAIT).convert("RGB")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pasted(scale: float, places: list[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    canvas = Image.new("RGB", size, (120, 130, 140))
    small = portrait().crop((140, 0, 320, 230))
    small = small.resize((round(small.width * scale), round(small.height * scale)), Image.Resampling.LANCZOS)
    for place in places:
        canvas.paste(small, place)
    return canvas


def bomb() -> bytes:
    """A PNG of 60,000 x 60,000 grey pixels in a few bytes: its header alone must be enough to refuse it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def noise() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 300, 3), dtype=np.uint8))


FILES = {
    "no bytes.jpg": lambda: b"",
    "text.jpg": lambda: b"this is a letter, not a photo\n" * 40,
    "cut.jpg": lambda: encoded(portrait(), "JPEG")[:9000],
    "cut.png": lambda: PORTRAIT.read_bytes()[:60_000],
    "phone.heic": lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 500,
    "drawing.svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "paper.pdf": lambda: b"%PDF-1.4\n" + b"0" * 400,
    "camera.cr2": lambda: b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 400,
    "moving.gif": lambda: encoded(portrait(), "GIF", save_all=True, append_images=[noise(), portrait()]),
    "pages.tif": lambda: encoded(portrait(), "TIFF", save_all=True, append_images=[portrait()]),
    "one pixel.png": lambda: encoded(Image.new("RGB", (1, 1)), "PNG"),
    "twelve pixels.png": lambda: encoded(portrait().resize((12, 12)), "PNG"),
    "bomb.png": bomb,
    "transparent.png": lambda: encoded(Image.new("RGBA", (300, 300), (90, 60, 50, 0)), "PNG"),
    "noise.png": lambda: encoded(noise(), "PNG"),
    "white.png": lambda: encoded(Image.new("RGB", (400, 400), "white"), "PNG"),
    "far away.png": lambda: encoded(pasted(0.05, [(500, 380)], (1000, 800)), "PNG"),
    "two people.png": lambda: encoded(pasted(1.0, [(20, 60), (420, 60)], (640, 360)), "PNG"),
}


def refused(capsys, tmp_path: Path, arguments: list[str], *codes: int) -> str:
    """Run the command line; return its one sentence after checking that nothing else happened."""
    output = tmp_path / "out"
    code = cli.main(["fit", *arguments, "--no-blender"])
    errors = capsys.readouterr().err.replace("\r", "\n")
    sentences = [line for line in errors.splitlines() if line.startswith("mien: ")]
    assert code in codes, (code, errors)
    assert len(sentences) == 1 and sentences[0].rstrip().endswith("."), errors
    assert "Traceback" not in errors and "inside Mien" not in errors
    assert not output.is_dir() or os.listdir(output) == []
    return sentences[0]


@pytest.mark.parametrize("name", FILES)
def test_bad_photo(capsys, tmp_path, name):
    photo = tmp_path / name
    photo.write_bytes(FILES[name]())
    sentence = refused(capsys, tmp_path, [str(photo), "-o", str(tmp_path / "out")], cli.EXIT_PHOTO)
    assert name in sentence


def test_missing_photo(capsys, tmp_path):
    assert "nowhere.jpg" in refused(
        capsys, tmp_path, [str(tmp_path / "nowhere.jpg"), "-o", str(tmp_path / "out")], cli.EXIT_PHOTO
    )


def test_folder_as_photo(capsys, tmp_path):
    assert "folder" in refused(capsys, tmp_path, [str(tmp_path), "-o", str(tmp_path / "out")], cli.EXIT_PHOTO)


def test_one_bad_photo_among_good_ones(capsys, tmp_path):
    bad = tmp_path / "second.png"
    bad.write_bytes(FILES["noise.png"]())
    sentence = refused(capsys, tmp_path, [str(PORTRAIT), str(bad), "-o", str(tmp_path / "out")], cli.EXIT_PHOTO)
    assert "second.png" in sentence


@pytest.mark.parametrize("name", ["", "   ", "../..", "///", "."])
def test_unusable_name(capsys, tmp_path, name):
    refused(capsys, tmp_path, [str(PORTRAIT), "-o", str(tmp_path / "out"), "--name", name], cli.EXIT_USAGE)


def test_output_is_a_file(capsys, tmp_path):
    (tmp_path / "out").write_text("mine")
    arguments = [str(PORTRAIT), "-o", str(tmp_path / "out"), "--quality", "draft"]
    refused(capsys, tmp_path, arguments, cli.EXIT_WRITE)
    assert (tmp_path / "out").read_text() == "mine"


def test_output_below_a_file(capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    arguments = [str(PORTRAIT), "-o", str(tmp_path / "file" / "deep"), "--quality", "draft"]
    refused(capsys, tmp_path, arguments, cli.EXIT_WRITE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "a.png"],
        ["fit", "a.png", "-o", "x", "--quality", "best"],
        ["fit", "a.png", "-o", "x", "--maps", "1000"],
        ["fit", "a.png", "-o", "x", "--device", "tpu"],
        ["fit", "a.png", "-o", "x", "--seed", "many"],
        ["fit", "a.png", "-o", "x", "--seed", "-1"],
        ["draw", "a.png"],
    ],
)
def test_wrong_command_line(capsys, arguments):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == cli.EXIT_USAGE and "Traceback" not in capsys.readouterr().err


def test_cuda_where_there_is_none(capsys, tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    arguments = [str(PORTRAIT), "-o", str(tmp_path / "out"), "--device", "cuda"]
    assert "CUDA" in refused(capsys, tmp_path, arguments, cli.EXIT_USAGE)


def rotated_by_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # shown upright after a quarter turn clockwise
    return encoded(portrait().transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, exif=exif)


def sixteen_bits() -> bytes:
    return cv2.imencode(".png", np.asarray(portrait())[..., ::-1].astype(np.uint16) * 257)[1].tobytes()


ODD = {
    "grey.png": lambda: encoded(portrait().convert("L"), "PNG"),
    "grey alpha.png": lambda: encoded(portrait().convert("LA"), "PNG"),
    "palette.png": lambda: encoded(portrait().quantize(256), "PNG"),
    "alpha.png": lambda: encoded(portrait().convert("RGBA"), "PNG"),
    "sixteen bits.png": sixteen_bits,
    "cmyk.jpg": lambda: encoded(portrait().convert("CMYK"), "JPEG", quality=95),
    "photo.webp": lambda: encoded(portrait(), "WEBP", quality=95),
    "photo.bmp": lambda: encoded(portrait(), "BMP"),
    "photo.tif": lambda: encoded(portrait(), "TIFF"),
    "turned.jpg": rotated_by_exif,
    "huge.jpg": lambda: encoded(portrait().resize((4900, 4900), Image.Resampling.BICUBIC), "JPEG", quality=90),
    "thumbnail.jpg": lambda: encoded(portrait().resize((160, 160), Image.Resampling.LANCZOS), "JPEG", quality=90),
}


@pytest.fixture(scope="module")
def perception():
    return FacePerception.load("cpu")


@pytest.fixture(scope="module")
def reference(perception):
    photo = load_photo(PORTRAIT)
    return choose_face(perception.detect(photo), photo)


@pytest.mark.parametrize("name", ODD)
def test_odd_but_good_photo(perception, reference, name):
    photo = load_photo(ODD[name](), name)
    face = choose_face(perception.detect(photo), photo)
    scale = 512 / photo.width
    error = np.linalg.norm(face.landmarks[:, :2] * scale - reference.landmarks[:, :2], axis=1).mean()
    allowed = 0.06 if min(photo.width, photo.height) < 200 else 0.03  # of the eye distance
    assert error < allowed * reference.eye_distance, error / reference.eye_distance
