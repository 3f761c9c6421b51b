"""How VRMM is trained: every weight and schedule in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...models.vrmm.config import LARGE, SMALL, VRMMConfig


@dataclass(frozen=True)
class Weights:
    """Of the terms of equations 9 to 13, and of ours."""

    l1: float = 2.0
    """L_1 of the picture over a random background, display coded"""
    perceptual: float = 0.2
    """in place of lambda_VGG: EfficientNet-Lite0 features"""
    alpha: float = 0.5
    """L_1 of the opacity against the capture's matte"""
    kl: float = 5e-3
    """lambda_KLD: much larger than `identity`, which is what parts identity and expression"""
    volume: float = 0.1
    """lambda_vol"""
    scale: float = 1e-3
    """lambda_scale"""
    shortest: int = 64
    """k of equation 11"""
    identity: float = 1e-4
    """lambda_id"""
    expression_image: float = 0.5
    """lambda_exp1"""
    expression_code: float = 0.1
    """lambda_exp2"""
    heads: float = 3.0
    """base mesh against known geometry of captures drawn for it alone, per centimetre"""
    vertices: float = 1.0
    """base mesh against known geometry, per centimetre; captures without geometry have no such term"""
    pose: float = 0.05
    """E_T against the known rigid motion, per 0.1 rad and per centimetre; alone in teaching E_T, so of no account but
    in the norm of the gradient"""
    read: float = 1.0
    """E_e's codes of `readings` more pictures per picture against the adaptor's, which stay"""
    adaptor: float = 0.3
    """ARKit weights' code against E_e's, where the weights are known: each is drawn to the other"""


@dataclass(frozen=True)
class Recipe:
    """One training run."""

    config: VRMMConfig
    weights: Weights = field(default_factory=Weights)
    batch: int = 4
    """pictures per step, over all processes"""
    steps: int = 12000
    """length of the schedule"""
    rate: float = 1e-3
    """Adam's"""
    code_rate: float = 3.0
    """times `rate`, for the identity codes: a subject is seen once in many steps"""
    encoder_rate: float = 1.0
    """times `rate`, for E_e and E_T"""
    warm_up: int = 50
    """steps until the full rate"""
    kl_from: float = 0.05
    """share of `weights.kl` at the first step: E_e must have something to say before it is made to say it briefly"""
    kl_steps: int = 4000
    """steps until all of it"""
    final: float = 0.05
    """of `rate` at the end, after half a cosine"""
    clip: float = 1.0
    """largest norm of the gradient"""
    average: float = 0.998
    """of the weights, per step: the average is what is saved for use"""
    march_step_m: float = 0.0025
    """distance of samples along the rays while training"""
    consistency_from: int = 1000
    """first step of equations 12 and 13"""
    consistency_every: int = 2
    """steps between them"""
    consistency_batch: int = 1
    """pictures they are computed for"""
    crop: int = 0
    """pixels along the side of the random piece of each picture to compare; 0 takes all of it"""
    heads: int = 8
    """captures drawn per picture to teach D_mesh and the adaptor from known geometry: no rendering, so nearly free"""
    readings: int = 2
    """captures drawn per picture to teach E_e and E_T alone: no decoding, so nearly free"""
    geometry_steps: int = 1500
    """steps of `geometry.teach_geometry` before the first picture, where the captures' geometry is known"""
    reading_steps: int = 0
    """steps of `reading.teach_reading` after the last picture, where the captures' expressions are known"""
    guided: int = 2
    """every so many pictures with known ARKit weights are decoded from the adaptor's code in place of E_e's; 0: none"""
    withhold: bool = False
    """overlook known geometry, poses, identities and expressions: captures are then as a studio's"""
    cache_mb: int = 3000
    """memory for decoded captures"""
    refresh_minutes: float = 5.0
    """how often the folder is looked at for new captures"""
    save_minutes: float = 5.0
    """between checkpoints, curves and sheets"""
    seed: int = 0


RECIPES: dict[str, Recipe] = {
    "two_cores": Recipe(SMALL, reading_steps=800),
    "short_gpu": Recipe(
        SMALL, batch=32, steps=2155, warm_up=200, average=0.999, kl_steps=1000, consistency_from=300,
        consistency_batch=4, readings=3, reading_steps=800, cache_mb=20000,
    ),
    "large_gpu": Recipe(
        LARGE, batch=16, steps=200000, rate=5e-4, warm_up=1000, march_step_m=0.00125, consistency_batch=4,
        consistency_from=5000, cache_mb=60000, average=0.999, reading_steps=4000,
    ),
}  # fmt: skip
