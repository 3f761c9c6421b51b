"""Mixture of volumetric primitives (VRMM, equations 2 and 3): boxes of voxels, marched along the pixels' rays."""

from .march import march
from .primitives import DEFAULT_STEP_M, REFERENCE_M, Primitives, TensorCamera
from .twin import march_twin

__all__ = ["DEFAULT_STEP_M", "REFERENCE_M", "Primitives", "TensorCamera", "march", "march_twin"]
