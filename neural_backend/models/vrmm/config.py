"""The sizes of one VRMM."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

#: Rows and columns of the lat-long light that the model takes.
LIGHT_HEIGHT, LIGHT_WIDTH = 16, 32
#: Sides of the first feature map of every convolutional decoder.
STEM = 4


@dataclass(frozen=True)
class VRMMConfig:
    """Decoders start from 4 x 4 and double; the primitives' grid is one of their levels, the texture the last."""

    identity: int = 64
    """I, numbers in z_id"""
    expression: int = 48
    """E, numbers in z_e"""
    grid: int = 32
    """primitives along U and along V of the base mesh"""
    voxels: int = 8
    """S, voxels along each side of a primitive"""
    channels: tuple[int, ...] = (128, 128, 96, 64, 48)
    """of D_alpha and of D_rgb's non-linear branch at 4, 8, 16 ... texels; D_T's are the same up to the grid"""
    identity_channels: tuple[int, ...] = (128, 128, 96, 64)
    """of D_id up to the grid: the first half of each level is F_alpha, the second F_appe"""
    light_channels: tuple[int, ...] = (32, 32, 24, 24, 16)
    """of the linear branch, per colour channel of the light"""
    mesh_hidden: int = 256
    """width of D_mesh"""
    mesh_residual: int = 48
    """free vertex displacement modes that D_mesh learns beside the template's own"""
    encoder_channels: tuple[int, ...] = (24, 32, 48, 64, 96)
    """of E_e and E_T, each at half the size of the one before"""
    encoder_size: int = 128
    """pixels along the side of the picture that E_e and E_T see"""
    encoder_views: int = 1
    """views that E_e and E_T see at once"""
    adaptor_hidden: int = 192
    """width of the map from ARKit weights to z_e"""
    lobes: tuple[int, ...] = (8, 32)
    """exponents (powers of two) of the glossy shading maps"""
    flat_light: bool = True
    """feed the light as a flat vector, as the paper does"""
    shading_maps: bool = True
    """feed the light as shading maps of the base mesh as well"""

    def __post_init__(self) -> None:
        levels = self.grid_level + 1
        assert self.grid == STEM << self.grid_level and len(self.channels) > levels, self
        assert len(self.identity_channels) == levels and len(self.light_channels) == len(self.channels), self
        assert self.voxels % (self.texture // self.grid) == 0, "a primitive holds a whole number of texels per side"
        assert self.flat_light or self.shading_maps, "the light must enter somewhere"
        assert all(lobe & (lobe - 1) == 0 for lobe in self.lobes), "exponents are made by squaring"

    @property
    def grid_level(self) -> int:
        """Which level of the decoders has one texel per primitive."""
        return (self.grid // STEM).bit_length() - 1

    @property
    def texture(self) -> int:
        """Texels along the last level's sides."""
        return STEM << (len(self.channels) - 1)

    @property
    def texel_voxels(self) -> int:
        """Voxels of a primitive along the side of one texel of the last level."""
        return self.voxels * self.grid // self.texture

    @property
    def shading_channels(self) -> int:
        return (1 + len(self.lobes)) if self.shading_maps else 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> VRMMConfig:
        return cls(
            **{key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}
        )


#: For two CPU cores.
SMALL = VRMMConfig()
#: For a single large GPU.
LARGE = VRMMConfig(
    identity=128,
    expression=128,
    channels=(224, 224, 192, 128, 64, 32),
    identity_channels=(224, 224, 192, 128),
    light_channels=(64, 64, 48, 48, 32, 16),
    mesh_hidden=512,
    mesh_residual=96,
    encoder_channels=(32, 64, 96, 128, 192),
    adaptor_hidden=256,
    lobes=(8, 32, 128),
)
