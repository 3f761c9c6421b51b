"""L_total = L_img + L_reg + L_exp (equation 9), and what known geometry adds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...models.vrmm import losses
from ...models.vrmm.encoders import (
    ROTATION_RAD,
    TRANSLATION_M,
    display_code,
    encoder_input,
    sample_expression,
)
from ...models.vrmm.vrmm import VRMM
from ...rendering.volume import REFERENCE_M
from .batch import Batch, Heads, Readings
from .perceptual import PerceptualDistance
from .recipe import Recipe
from .render import Rendered, light_in_head, render

#: Half sides are measured against this in the regularisers, metres.
SIDE_M = 0.01
#: How much the adaptor is drawn to E_e, beside E_e to it, where pictures teach the adaptor.
LEADING = 0.1


@dataclass(frozen=True)
class Outcome:
    """Of one step."""

    total: Tensor
    terms: dict[str, float]  # unweighted
    rendered: Rendered


class Objective(nn.Module):
    """The loss of a batch."""

    def __init__(self, recipe: Recipe, perceptual: PerceptualDistance | None, autocast: torch.dtype | None = None):
        """`perceptual` None leaves that term out."""
        super().__init__()
        one_view = recipe.config.encoder_views == 1
        assert one_view or recipe.consistency_from >= recipe.steps, "equation 12 is rendered for one encoder view"
        self.recipe, self.weights, self.perceptual, self.autocast = recipe, recipe.weights, perceptual, autocast

    def forward(
        self,
        model: VRMM,
        batch: Batch,
        step: int,
        first: int = 0,
        heads: Heads | None = None,
        readings: Readings | None = None,
    ) -> Outcome:
        """`first` is the place of the batch's first picture in the step's whole batch: noise is drawn by place."""
        weights, terms = self.weights, {}
        views = encoder_input(batch.encoder_rgb, batch.encoder_alpha)
        mean, log_variance = model.expression_encoder(views)  # equation 6
        if batch.arkit is not None and batch.gaze_rad is not None:
            adapted = model.arkit_adaptor(batch.arkit, batch.gaze_rad)
            apart = losses.code_consistency(adapted, mean.detach())
            if self.recipe.guided:  # pictures teach the adaptor: E_e is to follow rather than to hold it back
                apart = LEADING * apart + losses.code_consistency(mean, adapted.detach())
            terms["adaptor"] = weights.adaptor, apart
            guided = self._guided(batch.size, step, first).to(mean.device)[:, None]
        noise = [generator(self.recipe.seed, 2, step, first + place) for place in range(batch.size)]
        z_e = sample_expression(mean, log_variance, noise)
        encoded = z_e
        if "adaptor" in terms:
            z_e = torch.where(guided, adapted, z_e)
        pose = model.transformation_encoder(views)  # equation 7
        if batch.world_from_head is not None:
            terms["pose"] = weights.pose, pose_error(pose, batch.world_from_head)
            pose = batch.world_from_head  # the decoders learn from the exact one
        z_id = model.identity_of(batch.subjects)
        light = light_in_head(batch, pose)
        rendered = self._render(model, z_id, z_e, light, batch, pose, step)  # equation 8
        for name, weight, value in self._image(rendered, batch):
            terms[name] = weight, value
        scales = rendered.decoded.primitives.scales
        briefness = min(1.0, self.recipe.kl_from + step / self.recipe.kl_steps)
        terms["kl"] = weights.kl * briefness, losses.kl_divergence(mean, log_variance)  # equation 10
        terms["volume"] = weights.volume, losses.volume_minimisation(scales, REFERENCE_M)
        terms["scale"] = weights.scale, losses.shortest_sides(scales, weights.shortest, SIDE_M)  # equation 11
        terms["identity"] = weights.identity, losses.identity_norm(z_id)
        if batch.vertices is not None:
            known = losses.vertex_distance(rendered.decoded.base_vertices, batch.vertices)
            terms["vertices"] = weights.vertices, known
        if heads is not None:
            code = model.arkit_adaptor(heads.arkit, heads.gaze_rad)
            mesh = model.mesh_decoder(model.identity_of(heads.subjects), code)
            terms["heads"] = weights.heads, losses.vertex_distance(mesh, heads.vertices)
        if readings is not None:
            terms["read"], terms["read_pose"] = self._read(model, readings)
        recipe = self.recipe
        if step >= recipe.consistency_from and step % recipe.consistency_every == 0 and len(model.subjects) > 1:
            part = slice(0, min(recipe.consistency_batch, batch.size))
            consistency = self._consistency(
                model, batch[part], z_id[part], encoded[part], light, pose[part], step, first
            )
            for name, weight, value in consistency:
                terms[name] = weight, value
        total = sum(weight * value for weight, value in terms.values())
        # One message from the device for all of them.
        values = torch.stack([value.detach().float() for _, value in terms.values()]).tolist()
        return Outcome(total, dict(zip(terms, values, strict=True)), rendered)

    def _read(self, model: VRMM, readings: Readings) -> tuple[tuple[float, Tensor], tuple[float, Tensor]]:
        """Weights and values: E_e drawn to the adaptor's codes and E_T to known motions, by pictures for them alone."""
        views = encoder_input(readings.encoder_rgb, readings.encoder_alpha)
        mean, _ = model.expression_encoder(views)
        with torch.no_grad():
            adapted = model.arkit_adaptor(readings.arkit, readings.gaze_rad)
        pose = pose_error(model.transformation_encoder(views), readings.world_from_head)
        return (self.weights.read, losses.code_consistency(mean, adapted)), (self.weights.pose, pose)

    def _guided(self, count: int, step: int, first: int) -> Tensor:
        """[B] bool: which pictures take their expression from known ARKit weights.

        Ours, for small computers: E_e alone needs tens of thousands of pictures before z_e says anything of the
        expression. Decoders and adaptor learn from these at once, E_e is drawn to the adaptor's codes and takes over in
        the other pictures, and in all pictures of captures without known weights.
        """
        every = self.recipe.guided
        return torch.tensor([every > 0 and (step + first + place) % every == 0 for place in range(count)])

    def _render(self, model: VRMM, z_id: Tensor, z_e: Tensor, light: Tensor, batch: Batch, pose: Tensor, step: int):
        height, width = batch.alpha.shape[-2:]
        camera_from_head = batch.camera_from_world @ pose
        return render(
            model, z_id, z_e, light, batch.intrinsics, camera_from_head, height, width, self.recipe.march_step_m,
            None, self.autocast,
        )  # fmt: skip

    def _image(self, rendered: Rendered, batch: Batch) -> list[tuple[str, float, Tensor]]:
        """L_img below equation 9, over the batch's random backgrounds, and the opacity's own."""
        ours = display_code(over(rendered.rgb, rendered.alpha, batch.background))
        truth = display_code(over(batch.rgb, batch.alpha, batch.background))
        terms = [
            ("l1", self.weights.l1, losses.image_l1(ours, truth)),
            ("alpha", self.weights.alpha, losses.image_l1(rendered.alpha, batch.alpha)),
        ]
        if self.perceptual is not None:
            distance = self.perceptual(ours.clamp(0, 1), truth.clamp(0, 1))
            terms.append(("perceptual", self.weights.perceptual, distance))
        return terms

    def _consistency(
        self,
        model: VRMM,
        batch: Batch,
        z_id: Tensor,
        z_e: Tensor,
        lights: Tensor,
        pose: Tensor,
        step: int,
        first: int,
    ) -> list[tuple[str, float, Tensor]]:
        """L_exp, equations 12 and 13: the same expression on another head in another light must be read as the same."""
        others, other_lights = [], []
        for place, subject in enumerate(batch.subjects):
            drawn = generator(self.recipe.seed, 3, step, first + place)
            candidates = [name for name in model.subjects if name != subject]
            others.append(candidates[int(torch.randint(len(candidates), (1,), generator=drawn))])
            # The light of another picture of the batch, or this one's turned about the head.
            other = lights[(place + 1) % len(lights)]
            other_lights.append(other.roll(int(torch.randint(32, (1,), generator=drawn)), -1))
        size = model.config.encoder_size
        again = render(
            model, model.identity_of(others), z_e, torch.stack(other_lights), batch.encoder_intrinsics,
            batch.encoder_camera_from_world @ pose, size, size, self.recipe.march_step_m, None, self.autocast,
        )  # equation 12  # fmt: skip
        z_again, _ = model.expression_encoder(encoder_input(again.rgb[:, None], again.alpha[:, None]))
        back = self._render(model, z_id, z_again, lights[: batch.size], batch, pose, step)
        image = sum(weight * value for name, weight, value in self._image(back, batch) if name != "alpha")
        return [
            ("expression_image", self.weights.expression_image, image),
            ("expression_code", self.weights.expression_code, losses.code_consistency(z_again, z_e)),
        ]


def over(rgb: Tensor, alpha: Tensor, background: Tensor) -> Tensor:
    """[B, 3, H, W] premultiplied over [B, 3]."""
    return rgb + (1 - alpha[:, None]) * background[:, :, None, None]


def pose_error(pose: Tensor, known: Tensor) -> Tensor:
    """Of two [B, 4, 4] rigid motions: squared, per ROTATION_RAD and TRANSLATION_M."""
    rotation = (pose[:, :3, :3] - known[:, :3, :3]).square().mean() / ROTATION_RAD**2
    return rotation + (pose[:, :3, 3] - known[:, :3, 3]).square().mean() / TRANSLATION_M**2


def generator(*seed: int) -> torch.Generator:
    """A generator of its own for one draw."""
    value = 0
    for part in seed:
        value = (value * 1_000_003 + part + 1) % (1 << 62)
    return torch.Generator().manual_seed(value)
