"""OpenImageDenoise out of the bpy wheel, for pictures that Cycles' own denoising does not reach: its light groups."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np

_CPU = 1  # OIDN_DEVICE_TYPE_CPU
_FLOAT3 = 3  # OIDN_FORMAT_FLOAT3
_NAMES = ("libOpenImageDenoise.so.2", "OpenImageDenoise.dll", "libOpenImageDenoise.2.dylib")


def library() -> Path:
    """The library beside Blender's module.

    Raises:
        FileNotFoundError: this bpy does not carry it.
    """
    import bpy

    for folder in list(Path(bpy.__file__).parents)[:6]:
        for name in _NAMES:
            for found in (folder / "lib" / name, folder / name):
                if found.is_file():
                    return found
    raise FileNotFoundError("This bpy carries no OpenImageDenoise: install the bpy wheel that pyproject.toml names.")


class Denoiser:
    """One device, used again and again; one thread, so that several stages share a machine fairly."""

    def __init__(self) -> None:
        pointer = ctypes.c_void_p
        self._library = oidn = ctypes.CDLL(str(library()))
        signatures = {
            "oidnNewDevice": (pointer, [ctypes.c_int]),
            "oidnSetDeviceInt": (None, [pointer, ctypes.c_char_p, ctypes.c_int]),
            "oidnCommitDevice": (None, [pointer]),
            "oidnNewFilter": (pointer, [pointer, ctypes.c_char_p]),
            "oidnSetSharedFilterImage": (
                None, [pointer, ctypes.c_char_p, pointer, ctypes.c_int, *[ctypes.c_size_t] * 5]
            ),
            "oidnSetFilterBool": (None, [pointer, ctypes.c_char_p, ctypes.c_bool]),
            "oidnCommitFilter": (None, [pointer]),
            "oidnExecuteFilter": (None, [pointer]),
            "oidnReleaseFilter": (None, [pointer]),
            "oidnGetDeviceError": (ctypes.c_int, [pointer, ctypes.POINTER(ctypes.c_char_p)]),
        }  # fmt: skip
        for name, (result, arguments) in signatures.items():
            function = getattr(oidn, name)
            function.restype, function.argtypes = result, arguments
        self._device = oidn.oidnNewDevice(_CPU)
        oidn.oidnSetDeviceInt(self._device, b"numThreads", 1)
        oidn.oidnCommitDevice(self._device)

    def __call__(self, pictures: np.ndarray, albedo: np.ndarray, normal: np.ndarray) -> np.ndarray:
        """Denoise [G, H, W, 3] linear pictures of one scene, each by itself, guided by [H, W, 3] albedo and normals.

        Raises:
            RuntimeError: the library failed; the message is its own.
        """
        count, height, width = pictures.shape[:3]
        assert albedo.shape == normal.shape == (height, width, 3) and pictures.shape[3] == 3, pictures.shape
        colour, result = np.zeros((2, height, width, 3), np.float32)
        guides = [np.ascontiguousarray(guide, np.float32) for guide in (albedo, normal)]
        oidn, done = self._library, np.empty((count, height, width, 3), np.float32)
        sheet = oidn.oidnNewFilter(self._device, b"RT")
        try:
            images = ((b"color", colour), (b"output", result), (b"albedo", guides[0]), (b"normal", guides[1]))
            for name, array in images:
                oidn.oidnSetSharedFilterImage(sheet, name, array.ctypes.data, _FLOAT3, width, height, 0, 0, 0)
            oidn.oidnSetFilterBool(sheet, b"hdr", True)
            oidn.oidnCommitFilter(sheet)
            for index, picture in enumerate(pictures):
                colour[:] = picture
                oidn.oidnExecuteFilter(sheet)
                done[index] = result
            message = ctypes.c_char_p()
            if oidn.oidnGetDeviceError(self._device, ctypes.byref(message)):
                raise RuntimeError(f"OpenImageDenoise failed: {(message.value or b'').decode(errors='replace')}")
        finally:
            oidn.oidnReleaseFilter(sheet)
        return done
