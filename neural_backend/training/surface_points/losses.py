"""What the surface point network is judged by while it learns."""

from __future__ import annotations

import torch
from torch import Tensor

from ...head.template import HeadTemplate
from ...models.surface_points import SIDE, PointGuess

OUTSIDE = 40.0  # pixels beyond the crop where a point no longer counts


def place_loss(guess: PointGuess, places: Tensor) -> Tensor:
    """Likelihood of a Laplace distribution of the distance in the picture, per point, plus plain distance.

    The plain part keeps points that are hard to see from being given up to a wide spread.
    """
    distance = (guess.places - places).norm(dim=-1)
    counts = ((places > -OUTSIDE) & (places < SIDE + OUTSIDE)).all(-1).float()
    likelihood = distance * torch.exp(-guess.log_spread) + guess.log_spread
    return ((likelihood + 0.25 * distance) * counts).sum() / counts.sum()


class IdentityError:
    """Squared distance between faces after the best similarity, linear in the code about the mean head."""

    def __init__(self, template: HeadTemplate, face, device: torch.device):
        ids = torch.as_tensor(face).long()
        mean = torch.as_tensor(template.vertices)[ids].double()
        modes = torch.as_tensor(template.identity)[:, ids].double()
        centred = mean - mean.mean(0)
        count = len(ids)
        motions = torch.zeros(7, count, 3, dtype=torch.float64)
        for axis in range(3):
            motions[axis, :, axis] = 1
            turn = torch.zeros(3, dtype=torch.float64)
            turn[axis] = 1
            motions[3 + axis] = torch.linalg.cross(turn.expand_as(centred), centred)
        motions[6] = centred
        basis = torch.linalg.qr(motions.view(7, -1).T)[0]  # [3F, 7]
        flat = modes.view(len(modes), -1)
        self.modes = (flat - flat @ basis @ basis.T).float().to(device)  # [K, 3F]
        self.basis, self.mean = basis.float().to(device), mean.float().to(device)

    def wanted(self, face: Tensor) -> Tensor:
        """[B, F, 3] faces -> [B, 3F] how they differ from the mean beyond a similarity, metres."""
        centred, mean = face - face.mean(1, keepdim=True), self.mean - self.mean.mean(0)
        u, strengths, vt = torch.linalg.svd(torch.einsum("bfi,fj->bij", centred, mean))
        sign = torch.det(u @ vt).sign()
        signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], 1)
        rotation = (u * signs[:, None]) @ vt
        scale = (strengths * signs).sum(1) / centred.square().sum((1, 2))
        moved = torch.einsum("bfi,bij->bfj", centred, rotation) * scale[:, None, None]
        difference = (moved - mean).flatten(1)
        return difference - difference @ self.basis @ self.basis.T

    def __call__(self, code: Tensor, face: Tensor, weight: Tensor | None = None) -> Tensor:
        """[] mean squared distance over the mean head's; `weight` [B] counts pictures differently."""
        wanted = self.wanted(face)
        error, mean = (code @ self.modes - wanted).square().sum(1), wanted.square().sum(1)
        if weight is not None:
            error, mean = error * weight, mean * weight
        return error.sum() / mean.sum()
