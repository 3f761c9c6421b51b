"""Locked texels: what an artist has painted into a map stays, bit for bit, when the head is solved again.

A texel is locked once the painted map differs there from the map that the package was written with, and stays locked
from then on. Beside it the new map is bent towards the painted one, so that no edge shows where paint ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

#: Blender holds 16 bits as floats and may give them back off by one.
TOLERANCE = {"uint8": 0, "uint16": 1}
FEATHER_SHARE = 1 / 128  # of the map's width: how far beside a locked texel the new map gives way


@dataclass(frozen=True)
class LockedMap:
    """One painted map."""

    painted: np.ndarray  # [H, W] or [H, W, C] uint8 or uint16, as in the file
    locked: np.ndarray  # [H, W] bool

    @classmethod
    def of(cls, painted: np.ndarray, written: np.ndarray, before: np.ndarray | None = None) -> LockedMap:
        """Lock what differs from the map as it was written, and what was locked before ([H, W] bool)."""
        assert painted.shape == written.shape and painted.dtype == written.dtype, "the same map, painted"
        differs = np.abs(painted.astype(np.int32) - written) > TOLERANCE[painted.dtype.name]
        locked = differs if differs.ndim == 2 else differs.any(-1)
        painted = np.where(locked if locked.ndim == painted.ndim else locked[..., None], painted, written)
        return cls(painted, locked if before is None else locked | before)

    def keep(self, fresh: np.ndarray) -> np.ndarray:
        """The new map [same shape and type] with the locked texels of the painted one."""
        assert fresh.shape == self.painted.shape and fresh.dtype == self.painted.dtype, "a map of the same kind"
        if not self.locked.any():
            return fresh
        distance, nearest = cv2.distanceTransformWithLabels(
            (~self.locked).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        reach = max(FEATHER_SHARE * fresh.shape[1], 1.0)
        near = (distance < reach) & ~self.locked
        # Labels number the locked texels; `source` says which texel carries each label.
        source = np.zeros(int(nearest.max()) + 1, np.int64)
        at = np.flatnonzero(self.locked)
        source[nearest.reshape(-1)[at]] = at
        change = self.painted.astype(np.float32) - fresh
        flat = change.reshape(self.locked.size, -1)[source[nearest[near]]]  # [n, C]
        share = 0.5 + 0.5 * np.cos(np.pi * distance[near] / reach)
        limit = np.iinfo(fresh.dtype).max
        result = fresh.copy()
        bent = fresh[near].reshape(len(flat), -1) + share[:, None] * flat
        result[near] = np.clip(np.rint(bent), 0, limit).astype(fresh.dtype).reshape(result[near].shape)
        result[self.locked] = self.painted[self.locked]
        return result
