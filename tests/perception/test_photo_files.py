"""Every kind of file a user may drop in: a right Photo, or one PhotoError with a sentence."""

import io
import os
import struct

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from neural_backend.perception import image as image_module
from neural_backend.perception.image import PhotoError, linear_to_srgb, load_photo, photo_from_linear, srgb_to_linear

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "examples")
HOPPER = os.path.join(EXAMPLES, "grace_hopper.jpg")
ASTRONAUT = os.path.join(EXAMPLES, "astronaut.png")


@pytest.fixture(scope="module")
def hopper() -> Image.Image:
    return Image.open(HOPPER).convert("RGB")


def encoded(image: Image.Image, format: str, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def refusal(source, **options) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        load_photo(source, **options)
    sentence = caught.value.sentence
    assert sentence.endswith(".") and ("; " in sentence), sentence  # what is wrong; what to do
    return caught.value


def mean_difference(photo, reference: Image.Image) -> float:
    return float(np.abs(photo.srgb.astype(int) - np.asarray(reference.convert("RGB"), int)).mean())


# Right results


def test_jpeg_is_linear_and_srgb(hopper):
    photo = load_photo(HOPPER)
    assert (photo.width, photo.height, photo.original_size, photo.scale) == (512, 600, (512, 600), 1)
    assert photo.linear.dtype == np.float32 and photo.srgb.dtype == np.uint8 and photo.alpha is None
    assert photo.name == "grace_hopper.jpg" and mean_difference(photo, hopper) == 0
    assert np.abs(linear_to_srgb(photo.linear) * 255 - photo.srgb).max() < 0.01
    middle = photo.linear[photo.srgb == 188]
    assert np.allclose(middle, 0.5029, atol=1e-3)  # sRGB 188 is half the light


def test_transfer_functions_are_inverse():
    values = np.linspace(0, 1, 4097)
    assert np.abs(srgb_to_linear(linear_to_srgb(values)) - values).max() < 1e-5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(hopper, orientation):
    turn = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # the PIL transpose that makes the stored from the upright picture
    operations = {0: 0, 3: 3, 1: 1, 5: 5, 2: 2, 6: 6, 4: 4}
    stored = hopper if orientation == 1 else hopper.transpose(Image.Transpose(operations[turn[orientation]]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = load_photo(encoded(stored, "PNG", exif=exif))
    assert (photo.width, photo.height) == photo.original_size == hopper.size
    assert mean_difference(photo, hopper) == 0


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "RGBA", "I;16", "CMYK", "YCbCr"])
def test_colour_modes(hopper, mode):
    if mode == "I;16":
        grey = np.asarray(hopper.convert("L"), np.uint16) * 257
        photo = load_photo(encoded(Image.fromarray(grey), "PNG"))
    else:
        format = {"CMYK": "JPEG", "YCbCr": "JPEG"}.get(mode, "PNG")
        options = {"quality": 98} if format == "JPEG" else {}
        photo = load_photo(encoded(hopper.convert(mode), format, **options))
    reference = hopper.convert("L") if mode in ("L", "LA", "I;16") else hopper.convert(mode)
    assert photo.linear.shape == (600, 512, 3)
    assert mean_difference(photo, reference) < 2.5


@pytest.mark.parametrize("format", ["WEBP", "BMP", "TIFF", "GIF"])
def test_other_formats(hopper, format):
    assert mean_difference(load_photo(encoded(hopper, format)), hopper) < 6


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_are_kept(suffix, channels):
    ramp = np.linspace(20000, 21000, 128 * 96).astype(np.uint16).reshape(96, 128)
    pixels = np.stack([ramp, ramp // 2, ramp // 3, np.full_like(ramp, 65535)][:channels], -1)
    ok, data = cv2.imencode(suffix, pixels[..., [2, 1, 0, 3][:channels]])
    assert ok
    photo = load_photo(data.tobytes())
    expected = srgb_to_linear(pixels[..., :3] / 65535)
    assert np.abs(photo.linear - expected).max() < 1e-6
    assert len(np.unique(photo.linear[..., 0])) > 500  # eight bits hold four steps of this ramp
    assert photo.alpha is None


def test_alpha_is_kept_and_colour_lies_over_grey(hopper):
    image = hopper.copy()
    alpha = np.zeros((600, 512), np.uint8)
    alpha[100:500, 100:400] = 255
    image.putalpha(Image.fromarray(alpha))
    photo = load_photo(encoded(image, "PNG"))
    assert photo.alpha[300, 200] == 1 and photo.alpha[0, 0] == 0
    assert np.allclose(photo.linear[0, 0], image_module.NEUTRAL)
    assert np.array_equal(photo.srgb[300, 200], np.asarray(hopper)[300, 200])


def test_wide_gamut_profile_is_converted(hopper):
    """A picture stored in a wider RGB space must come back as the same sRGB colours."""
    swapped = ImageCms.createProfile("sRGB")
    icc = ImageCms.ImageCmsProfile(swapped).tobytes()
    plain = load_photo(encoded(hopper, "PNG", icc_profile=icc))
    assert mean_difference(plain, hopper) == 0
    wide = adobe_like_profile()
    stored = ImageCms.profileToProfile(hopper, swapped, ImageCms.ImageCmsProfile(io.BytesIO(wide)))
    assert np.abs(np.asarray(stored, int) - np.asarray(hopper, int)).mean() > 3  # other numbers, same colours
    photo = load_photo(encoded(stored, "PNG", icc_profile=wide))
    assert mean_difference(photo, hopper) < 1.5


def adobe_like_profile() -> bytes:
    """A minimal matrix profile: Adobe RGB (1998) primaries, gamma 2.2."""

    def s15(value):
        return struct.pack(">i", round(value * 65536))

    def xyz(x, y, z):
        return b"XYZ \0\0\0\0" + s15(x) + s15(y) + s15(z)

    gamma = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.2 * 256)) + b"\0\0"
    text = b"wide gamut\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67 + 3)
    tags = {
        b"desc": description + b"\0" * (-len(description) % 4),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
        b"wtpt": xyz(0.9642, 1, 0.8249),
        b"rXYZ": xyz(0.60974, 0.31111, 0.01947),
        b"gXYZ": xyz(0.20528, 0.62567, 0.06087),
        b"bXYZ": xyz(0.14919, 0.06322, 0.74457),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma),
    }
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key + struct.pack(">II", at + len(body), len(value))
        body += value
    size = at + len(body)
    head = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    head += s15(0.9642) + s15(1) + s15(0.8249) + b"\0" * 48
    return head + struct.pack(">I", len(tags)) + table + body


def test_broken_profile_is_ignored(hopper):
    assert mean_difference(load_photo(encoded(hopper, "PNG", icc_profile=b"not a profile")), hopper) == 0


def test_huge_photo_is_reduced():
    pixels = np.zeros((6400, 6600, 3), np.uint8)  # 42 MP
    pixels[:, 3300:] = 200
    photo = load_photo(encoded(Image.fromarray(pixels), "JPEG"))
    assert max(photo.width, photo.height) == image_module.LARGE_SIDE
    assert photo.original_size == (6600, 6400) and photo.scale == pytest.approx(2400 / 6600, rel=1e-3)
    assert photo.srgb[1000, 600].max() < 3 and abs(int(photo.srgb[1000, 1900, 0]) - 200) < 3


def test_animated_phone_photo_format_is_read(hopper):
    """A phone's MPO holds several pictures; the first is the photo."""
    stream = io.BytesIO()
    hopper.save(stream, "MPO", save_all=True, append_images=[hopper.transpose(Image.Transpose.ROTATE_180)], quality=98)
    assert mean_difference(load_photo(stream.getvalue()), hopper) < 2.5


def test_photo_from_linear():
    linear = np.full((60, 80, 3), 0.18, np.float32)
    photo = photo_from_linear(linear, focal_px=99.0)
    assert photo.srgb[0, 0, 0] == 118 and photo.focal_px == 99 and photo.original_size == (80, 60)


@pytest.mark.parametrize("odd", ["photo with spaces.jpg", "zdjęcie_写真.jpg", "no_extension", "wrong.png"])
def test_odd_names(tmp_path, odd):
    path = tmp_path / odd
    path.write_bytes(open(HOPPER, "rb").read())
    assert load_photo(path).name == odd


# EXIF focal length


def with_exif(image: Image.Image, tags: dict) -> bytes:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(tags)
    return encoded(image, "JPEG", exif=exif)


def test_focal_length_from_35mm_equivalent(hopper):
    photo = load_photo(with_exif(hopper, {0xA405: 50}))
    assert photo.focal_px == pytest.approx(50 / 43.2666 * np.hypot(512, 600), rel=1e-4)


def test_focal_length_from_sensor_resolution(hopper):
    tags = {0x920A: 50.0, 0xA002: 1024, 0xA003: 1200, 0xA20E: 1000.0, 0xA210: 3}  # 1000 px per cm at 1024 x 1200
    assert load_photo(with_exif(hopper, tags)).focal_px == pytest.approx(5000 / 2, rel=1e-4)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {0x920A: 50.0},  # millimetres of an unknown sensor
        {0xA405: 0},
        {0xA405: 50, 0xA002: 4000, 0xA003: 3000},  # was cropped since
        {0xA405: 60000},
    ],
)
def test_focal_length_unknown(hopper, tags):
    assert load_photo(with_exif(hopper, tags)).focal_px is None


# Refusals


def test_missing(tmp_path):
    assert refusal(tmp_path / "nobody.jpg").code == "missing"


def test_folder(tmp_path):
    assert refusal(tmp_path).code == "folder"


def test_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refusal(tmp_path / "pipe.jpg").code == "not_a_file"


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "secret.jpg"
    path.write_bytes(open(HOPPER, "rb").read())
    path.chmod(0)
    if os.access(path, os.R_OK):  # root reads everything: let the system call refuse instead

        def refuse(self):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(type(path), "read_bytes", refuse)
    assert refusal(path).code == "no_permission"


def test_impossible_path():
    assert refusal("a\0b.jpg").code in ("missing", "unreadable")
    assert refusal("x" * 5000 + ".jpg").code == "unreadable"


def test_empty(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert refusal(tmp_path / "empty.jpg").code == "empty"
    assert refusal(b"").code == "empty"


@pytest.mark.parametrize("data", [b"Dear editor, see attached.", b"%PDF-1.7\n", b"<svg xmlns=''/>", b"\x00" * 4000])
def test_not_an_image(tmp_path, data):
    (tmp_path / "letter.jpg").write_bytes(data)
    error = refusal(tmp_path / "letter.jpg")
    assert error.code == "not_an_image" and "letter.jpg" in error.sentence


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("keep", [0.9, 0.3, 0.01])
def test_cut_short(hopper, format, keep):
    data = encoded(hopper, format)
    assert refusal(data[: int(len(data) * keep)]).code in ("truncated", "not_an_image")


def test_damaged_png_is_not_shown_half(hopper):
    data = bytearray(encoded(hopper, "PNG"))
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    assert refusal(bytes(data)).code == "truncated"


def test_sixteen_bit_cut_short():
    noise = np.random.default_rng(0).integers(0, 65535, (200, 200, 3)).astype(np.uint16)
    data = cv2.imencode(".png", noise)[1].tobytes()
    assert refusal(data[: len(data) // 2]).code == "truncated"


def test_heic():
    assert refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), name="IMG_1.HEIC").code == "heic"


def test_camera_raw(tmp_path):
    (tmp_path / "IMG_1.CR2").write_bytes(b"II*\0" + bytes(100))
    assert refusal(tmp_path / "IMG_1.CR2").code == "camera_raw"


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_animation(hopper, format):
    small = hopper.resize((128, 150))
    other = small.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    data = encoded(small, format, save_all=True, append_images=[other])
    assert refusal(data).code == "animated"


def test_several_pages(hopper):
    data = encoded(hopper, "TIFF", save_all=True, append_images=[hopper])
    assert refusal(data).code == "several_pages"


def test_decompression_bomb():
    """A PNG header may promise 100 gigapixels in a few hundred bytes."""
    data = bytearray(encoded(Image.new("L", (64, 64)), "PNG"))
    data[16:24] = struct.pack(">II", 320000, 320000)
    import zlib

    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    assert refusal(bytes(data)).code == "too_many_pixels"


@pytest.mark.parametrize("size", [(1, 1), (20, 20), (4000, 12)])
def test_too_small(size):
    assert refusal(encoded(Image.new("RGB", size), "PNG")).code == "too_small"


@pytest.mark.parametrize(("mode", "value"), [("F", 0.5), ("I", 70000)])
def test_32_bit_values(mode, value):
    assert refusal(encoded(Image.new(mode, (64, 64), value), "TIFF")).code == "bad_colour"


def test_device_file_does_not_block():
    assert refusal("/dev/zero").code == "not_a_file"


def test_fully_transparent():
    assert refusal(encoded(Image.new("RGBA", (64, 64)), "PNG")).code == "transparent"


def test_file_too_large(tmp_path):
    with open(tmp_path / "big.jpg", "wb") as file:
        file.truncate(image_module.MAX_BYTES + 1)  # a hole: it takes no disk
    assert refusal(tmp_path / "big.jpg").code == "too_large_file"
