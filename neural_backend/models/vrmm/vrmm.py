"""VRMM whole: codes, camera and light to volumetric primitives (equations 4 and 5)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ...geometry.normals import normalize
from ...head.template import HeadTemplate
from ...protocol.errors import MienError
from ...protocol.safetensors import read_header
from ...rendering.projection import rotation_matrix
from ...rendering.volume import REFERENCE_M, Primitives
from .anchors import Anchors, Frames
from .arkit_adaptor import ArkitAdaptor
from .config import LIGHT_HEIGHT, LIGHT_WIDTH, VRMMConfig
from .encoders import ExpressionEncoder, TransformationEncoder
from .identity_decoder import IdentityDecoder
from .light_branch import LightBranch
from .mesh_decoder import MeshDecoder
from .shading import ShadingMaps, Taps
from .volume_decoders import VolumeDecoders, opacity_activation
from .voxel_heads import PrimitiveTexels

#: A ray is stopped by this much of filled primitive.
OPAQUE_M = 0.004
#: Spread of fresh identity codes.
CODE_SPREAD = 0.5
_KIND = "mien-vrmm-1"


@dataclass(frozen=True)
class Prepared:
    """All of a head that does not depend on the light."""

    base_vertices: Tensor  # [B, N0, 3] metres, head frame
    positions: Tensor  # [B, P, 3] metres
    rotations: Tensor  # [B, P, 3, 3] head_from_primitive
    scales: Tensor  # [B, P, 3] half sides, metres
    opacity: Tensor  # [B, 1, N, V] density of the V voxels of each of the primitives' N texels
    factors: list[Tensor]  # of the light branch
    gain: Tensor  # [B, 3, N, V] its last factors, one per voxel
    taps: Taps | None  # where the shading maps read the light


@dataclass(frozen=True)
class Decoded:
    """A head under a light."""

    primitives: Primitives
    base_vertices: Tensor  # [B, N0, 3] metres, head frame


class VRMM(nn.Module):
    """VRMM := {D_mesh, D_id, D_T, D_alpha, D_rgb} (equation 5), with E_e, E_T, the subjects' codes and the adaptor.

    Colours may come out a little below zero where the light is of one side only: the branch that makes them is linear,
    so nothing clips them. Clip when a picture is shown.
    """

    def __init__(self, config: VRMMConfig, template: HeadTemplate, subjects: tuple[str, ...] = (), seed: int = 0):
        super().__init__()
        self.config = config
        self.template_digest = template_digest(template)
        with torch.random.fork_rng(devices=[]):  # module initialisers draw from the global generator
            torch.manual_seed(seed)
            self.anchors = Anchors(template, config.grid)
            self.shading_points = Anchors(template, config.texture) if config.shading_maps else None
            self.shading = ShadingMaps(config.lobes)
            self.mesh_decoder = MeshDecoder(
                template, config.identity, config.expression, config.mesh_hidden, config.mesh_residual
            )
            self.identity_decoder = IdentityDecoder(config.identity, config.identity_channels)
            self.texels = PrimitiveTexels(config, self.anchors)
            self.volume_decoders = VolumeDecoders(config, self.texels, self.anchors.deep)
            self.light_branch = LightBranch(config, self.texels)
            self.expression_encoder = ExpressionEncoder(config)
            self.transformation_encoder = TransformationEncoder(config)
            self.arkit_adaptor = ArkitAdaptor(config.expression, config.adaptor_hidden)
            self.subjects: tuple[str, ...] = ()
            self.codes = nn.Parameter(torch.zeros(0, config.identity))
        self.add_subjects(subjects, seed)

    def add_subjects(self, names: tuple[str, ...], seed: int = 0) -> None:
        """Codes for subjects not seen before, from N(0, 0.5^2); each name has its own draw, whatever the order."""
        new = [name for name in names if name not in self.subjects]
        if not new:
            return
        rows = []
        for name in new:
            own = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:6], "little")
            rows.append(torch.randn(self.config.identity, generator=torch.Generator().manual_seed(own)) * CODE_SPREAD)
        self.subjects += tuple(new)
        self.codes = nn.Parameter(torch.cat([self.codes.data, torch.stack(rows).to(self.codes)]))

    def identity_of(self, names: list[str] | tuple[str, ...]) -> Tensor:
        """[B, I] codes of subjects seen in training.

        Raises:
            MienError: a name is not among them.
        """
        for name in names:
            if name not in self.subjects:
                raise MienError("unknown_subject", f"The volume was not trained on '{name}': name a subject it knows.")
        return self.codes[[self.subjects.index(name) for name in names]]

    def prepare(self, identity: Tensor, expression: Tensor, eye_head: Tensor) -> Prepared:
        """Everything but the light.

        Args:
            identity: [B, I] z_id.
            expression: [B, E] z_e.
            eye_head: [B, 3] the camera's centre in the head's frame, metres.
        """
        config, batch = self.config, len(identity)
        assert identity.shape == (batch, config.identity) and expression.shape == (batch, config.expression)
        assert eye_head.shape == (batch, 3), eye_head.shape
        with full_precision(identity):
            vertices = self.mesh_decoder(identity, expression)
            frames = self.anchors.frames(vertices)
            view, taps = self._view_map(frames, eye_head), self._taps(vertices, eye_head)
        maps = self.volume_decoders(identity, expression, self.identity_decoder(identity), view)
        with full_precision(identity):
            translation, rotation, log_scale = (
                self.anchors.gather(x) for x in (maps.translation, maps.rotation, maps.log_scale)
            )
            return Prepared(
                base_vertices=vertices,
                positions=frames.positions + (frames.rotations @ translation[..., None])[..., 0],
                rotations=frames.rotations @ rotation_matrix(rotation),
                scales=self.anchors.scales * log_scale.exp(),
                opacity=opacity_activation(maps.opacity.float(), REFERENCE_M / OPAQUE_M),
                factors=maps.factors,
                gain=maps.gain,
                taps=taps,
            )

    def relight(self, prepared: Prepared, light: Tensor) -> Decoded:
        """The prepared head under [B, 3, 16, 32] radiance, linear Rec.709, in the head's frame."""
        batch = len(prepared.positions)
        assert light.shape == (batch, 3, LIGHT_HEIGHT, LIGHT_WIDTH), light.shape
        with full_precision(light):
            flat, shading = self.shading.flat(light), self._shading_maps(prepared, light)
        colour = self.light_branch(flat, shading, prepared.factors, prepared.gain)
        payload = self.texels.assemble(torch.cat([colour.float(), prepared.opacity], 1))  # [B, P, 4, S, S, S]
        primitives = Primitives(prepared.positions, prepared.rotations, prepared.scales, payload)
        return Decoded(primitives, prepared.base_vertices)

    def decode(self, identity: Tensor, expression: Tensor, eye_head: Tensor, light: Tensor) -> Decoded:
        """VRMM(z_id, z_e, d, l), equation 4."""
        return self.relight(self.prepare(identity, expression, eye_head), light)

    def _view_map(self, frames: Frames, eye: Tensor) -> Tensor:
        """[B, 3, g, g] unit directions to the eye in the anchors' frames."""
        view = normalize(eye[:, None] - frames.positions.detach())
        return self.anchors.scatter((frames.rotations.detach().transpose(2, 3) @ view[..., None])[..., 0])

    def _taps(self, vertices: Tensor, eye: Tensor) -> Taps | None:
        if self.shading_points is None:
            return None
        with torch.no_grad():  # shading follows the mesh; it must not pull it
            return self.shading.taps(self.shading_points.frames(vertices.float()), eye)

    def _shading_maps(self, prepared: Prepared, light: Tensor) -> Tensor | None:
        """[B, 3, K, T, T] shading maps."""
        if prepared.taps is None:
            return None
        shaded = self.shading.shade(prepared.taps, light)  # [B, P', 3, K]
        return self.shading_points.scatter(shaded.flatten(2)).unflatten(1, (3, -1))

    def save(self, path: Path, notes: dict[str, str] | None = None) -> None:
        """Write float16 weights with configuration and subjects; a temporary file is renamed when it is whole."""
        path = Path(path)
        tensors = {name: value.detach().half().cpu().contiguous() for name, value in self.state_dict().items()}
        metadata = {
            "kind": _KIND,
            "config": self.config.to_json(),
            "subjects": json.dumps(self.subjects),
            "template": self.template_digest,
        }
        part = path.with_name(path.name + ".part")
        save_file(tensors, part, metadata | (notes or {}))
        part.chmod(0o644)  # safetensors leaves files to their owner alone; these are to be shipped
        part.replace(path)

    @classmethod
    def load(cls, path: Path, template: HeadTemplate, device: str = "cpu") -> VRMM:
        """Read weights, as float32, ready for use.

        Raises:
            MienError: no such file, not a VRMM, or made for another template.
        """
        path = Path(path)
        if not path.is_file():
            raise MienError(
                "no_weights", f"The volume's weights {path.name} are missing: reinstall Mien, or train them."
            )
        try:
            _, metadata = read_header(path)
        except ValueError as error:
            raise MienError("bad_weights", f"{error}: fetch the volume's weights again.") from error
        if metadata.get("kind") != _KIND:
            raise MienError("bad_weights", f"{path.name} does not hold a volume this version can read: train it again.")
        model = cls(VRMMConfig.from_json(metadata["config"]), template, tuple(json.loads(metadata["subjects"])))
        if metadata["template"] != model.template_digest:
            raise MienError("bad_weights", f"{path.name} was trained on another head template: train it again.")
        model.load_state_dict({name: value.float() for name, value in load_file(path).items()})
        return model.to(device).eval()


def full_precision(tensor: Tensor) -> torch.autocast:
    """No autocast: sixteen bits are enough for features, not for places."""
    return torch.autocast(tensor.device.type, enabled=False)


def template_digest(template: HeadTemplate) -> str:
    """A name for what the model takes from the template: mean, modes, topology and UV."""
    level = template.levels[0]
    digest = hashlib.sha256()
    for array in (template.vertices, template.identity[:, ::97], template.arkit[:, ::97], level.quads, level.uv):
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
