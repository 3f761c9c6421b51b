"""Point numbers of the 478-landmark mesh: MediaPipe's face mesh topology with ten iris points.

Left and right are the subject's; loops run around the contour without repeating the first point.
"""

from __future__ import annotations

IRISES = (468, 473)  # right, left iris centre
EYE_CORNERS = (33, 263)  # right, left outer corner: what MediaPipe levels its crops by
EYE_LIDS = ((159, 145, 33, 133), (386, 374, 263, 362))  # right, left: upper and lower middle, outer and inner corner

SCORE_NAMES: tuple[str, ...] = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen",
    "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight",
    "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
"""The blendshape network's outputs, in its own order."""

BLENDSHAPE_POINTS: list[int] = [
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78,
    80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152,
    153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246,
    249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312,
    314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381,
    382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472,
    473, 474, 475, 476, 477,
]  # fmt: skip
"""The 146 landmarks the blendshape network looks at."""

FACE_OVAL: list[int] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149,
    150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]  # fmt: skip
"""The outline of the face: hairline to chin."""

LIPS_OUTER: list[int] = [
    61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185,
]  # fmt: skip
"""The outer edge of the lips."""

LIPS_INNER: list[int] = [
    78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191,
]  # fmt: skip
"""The inner edge of the lips, around the mouth's interior."""

RIGHT_EYE: list[int] = [
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
]  # fmt: skip
"""The lid margins of the right eye."""

LEFT_EYE: list[int] = [
    362, 382, 381, 380, 374, 373, 390, 249, 263, 466, 388, 387, 386, 385, 384, 398,
]  # fmt: skip
"""The lid margins of the left eye."""

RIGHT_BROW: list[int] = [70, 63, 105, 66, 107, 55, 65, 52, 53, 46]  # fmt: skip
LEFT_BROW: list[int] = [300, 293, 334, 296, 336, 285, 295, 282, 283, 276]  # fmt: skip

SKIN_SEEDS: list[list[int]] = [
    [117, 118, 119, 100, 126, 209, 49, 129, 203, 206, 207, 187, 123],  # right cheek
    [346, 347, 348, 329, 355, 429, 279, 358, 423, 426, 427, 411, 352],  # left cheek
    [151, 108, 69, 104, 103, 67, 109, 10, 338, 297, 332, 333, 299, 337],  # forehead
    [6, 122, 196, 3, 51, 45, 4, 275, 281, 248, 419, 351],  # bridge and tip of the nose
]  # fmt: skip
"""Contours that are nearly always bare skin, the start of the skin estimate."""
