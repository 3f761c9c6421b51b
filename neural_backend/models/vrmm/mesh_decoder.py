"""D_mesh: identity and expression codes to the base mesh's vertices (section 3.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from ...head.template import HeadTemplate
from .anchors import BaseMesh
from .blocks import SLOPE

#: Metres that a free mode of standard coefficients moves a vertex, at first.
MODE_M = 1e-3


class MeshDecoder(nn.Module):
    """v = mean + template modes . c(z_id, z_e) + learned modes . r(z_id, z_e): a multilayer perceptron gives c and r.

    The paper's D_mesh gives all vertices freely. Ours speaks the template's own identity and expression modes first,
    which need not be learned, and has free modes beside them for what these cannot say.
    """

    def __init__(self, template: HeadTemplate, identity: int, expression: int, hidden: int, residual: int):
        super().__init__()
        ids = BaseMesh.of(template).vertex_ids
        basis = torch.from_numpy(template.identity[:, ids]), torch.from_numpy(template.arkit[:, ids])
        self.register_buffer("mean", torch.from_numpy(template.vertices[ids]), persistent=False)  # [N0, 3]
        self.register_buffer("basis", torch.cat(basis).flatten(1), persistent=False)  # [132, N0 * 3]
        self.hidden = nn.Sequential(
            nn.Linear(identity + expression, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(SLOPE),
        )
        self.coefficients = nn.Linear(hidden, len(self.basis))
        self.residual = nn.Linear(hidden, residual)
        self.modes = nn.Parameter(torch.randn(residual, self.mean.numel()) * MODE_M)
        for layer in (self.coefficients, self.residual):  # the mean head at first
            nn.init.normal_(layer.weight, std=1e-3)
            nn.init.zeros_(layer.bias)

    def forward(self, z_id: Tensor, z_e: Tensor) -> Tensor:
        """[B, I], [B, E] -> [B, N0, 3] metres, head frame."""
        hidden = self.hidden(torch.cat([z_id, z_e], 1))
        offset = functional.linear(self.coefficients(hidden), self.basis.T)
        offset = offset + functional.linear(self.residual(hidden), self.modes.T)
        return self.mean + offset.unflatten(1, self.mean.shape)
