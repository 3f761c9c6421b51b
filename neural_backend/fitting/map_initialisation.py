"""Maximum a posteriori fit to landmarks: pose, focal length, expression of each photo and the shared identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..head.template import HeadTemplate
from ..perception.surface_points import SurfacePoints
from ..protocol.cancellation import checkpoint
from ..protocol.errors import MienError
from .bounded import bounded_step
from .gaze import GazePoints, gaze_residuals
from .landmarks import FACE_POINTS, LandmarkCalibration, landmark_residuals
from .linear_points import LinearPoints
from .outline import ROBUST_M, OutlineMesh, outline_residuals
from .parameters import EXPRESSION, FOCAL, JAW_OPEN, MOUTH_CLOSE, HeadState, PhotoState, possible_expression
from .pins import Pins, pin_points, pin_residuals
from .surface_evidence import SurfaceEvidence

FULL_FRAME_MM = 36.0
PRIOR_FOCAL_MM = 50.0  # where nothing is known: a portrait at a normal focal length, log sd 0.3
PRIOR_FOCAL_LOG_SD = 0.3
TURNED = 0.45  # radians of yaw
EXIF_FOCAL_LOG_SD = 0.05  # EXIF is right, unless the photo was cropped


@dataclass(frozen=True)
class Observation:
    """What perception saw in one photo."""

    width: int
    height: int
    landmarks: np.ndarray  # [478, >=2] pixels
    blendshapes: np.ndarray  # [52] scores
    focal_px: float | None = None  # from EXIF
    matte: np.ndarray | None = None  # [h, w] person, reduced by `scale`
    skin: np.ndarray | None = None  # [h, w] how likely bare skin up to the matte's edge, reduced likewise
    scale: float = 1.0
    surface: SurfacePoints | None = None  # what the surface point network sees
    pins: Pins | None = None  # where the artist says that landmarks lie


@dataclass(frozen=True)
class Evidence:
    """What turns observations into residuals; loaded once."""

    template: HeadTemplate
    calibration: LandmarkCalibration
    points: LinearPoints
    gaze: GazePoints
    outline: OutlineMesh
    pinned: LinearPoints  # the 68 landmarks that pins hold
    surface: SurfaceEvidence | None = None

    @classmethod
    def of(
        cls, template: HeadTemplate, calibration: LandmarkCalibration, surface: SurfaceEvidence | None = None
    ) -> Evidence:
        points, gaze = calibration.points(template), GazePoints.of(template)
        return cls(template, calibration, points, gaze, OutlineMesh.of(template), pin_points(template), surface)


@dataclass(frozen=True)
class MapOptions:
    iterations: int = 10
    outline_from: int = 4  # iteration that first looks at the outline: before, the pose is too far off
    correlated: float = 0.0  # how far to trust the learned covariance of the landmarks: see landmark_residuals
    identity_weight: float = 1.0  # of the N(0, 1) prior
    surface_share: float = 1.0  # of the surface points' information on a turned head
    frontal_share: float = 0.3  # the same from in front, where what the prior cannot express goes into depth unseen


def initial_photo(observation: Observation, points: LinearPoints, stable: np.ndarray) -> PhotoState:
    """Pose of the mean head from the points that hardly move with identity and expression (perspective-n-point)."""
    if observation.focal_px is not None:
        focal, log_sd = float(observation.focal_px), EXIF_FOCAL_LOG_SD
    else:
        focal = PRIOR_FOCAL_MM / FULL_FRAME_MM * max(observation.width, observation.height)
        log_sd = PRIOR_FOCAL_LOG_SD
    photo = PhotoState(
        observation.width, observation.height, np.diag([1.0, -1.0, -1.0]), np.array([0, 0, 1.0]),
        focal, focal, log_sd, np.zeros(points.expression.shape[0]),
    )  # fmt: skip
    intrinsics = photo.camera().intrinsics
    found, vector, translation = cv2.solvePnP(
        points.mean[stable], observation.landmarks[stable, :2].astype(np.float64), intrinsics, None,
        flags=cv2.SOLVEPNP_SQPNP,
    )  # fmt: skip
    if not found or not np.isfinite(translation).all() or translation[2, 0] <= 0:
        sentence = "The face's pose cannot be found from its landmarks: choose a photo that shows it better."
        raise MienError("fit_failed", sentence)
    photo.rotation, photo.translation = cv2.Rodrigues(vector)[0], translation[:, 0]
    return photo


def stable_points(calibration: LandmarkCalibration, points: LinearPoints) -> np.ndarray:
    """[n] landmarks that move least with expression and are seen most surely."""
    movement = np.sqrt((points.expression**2).sum(-1)).max(0)  # [L] metres
    spread = np.sqrt(calibration.variance[len(calibration.yaw_nodes) // 2].sum(-1))
    return np.flatnonzero((movement < np.quantile(movement, 0.6)) & (spread < np.quantile(spread, 0.7)))


def prior_equations(
    head: HeadState,
    expression_priors: Sequence[tuple[np.ndarray, np.ndarray]],
    identity_weight: float,
    hessian: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Add the priors on identity, expression, focal length to the normal equations (in place)."""
    own = np.arange(len(head.identity))
    hessian[own, own] += identity_weight
    gradient[own] -= identity_weight * head.identity
    for index, (photo, (mean, sd)) in enumerate(zip(head.photos, expression_priors, strict=True)):
        block = head.block(index)
        at = block[EXPRESSION:]
        hessian[at, at] += 1 / sd**2
        gradient[at] += (mean - photo.expression) / sd**2
        at = block[FOCAL]
        hessian[at, at] += 1 / photo.focal_log_sd**2
        gradient[at] -= np.log(photo.focal_px / photo.focal_prior_px) / photo.focal_log_sd**2
        hessian[block[:3], block[:3]] += 1e-3
        hessian[block[3:6], block[3:6]] += 1e-3


def step_bounds(head: HeadState) -> tuple[np.ndarray, np.ndarray]:
    """[N] lowest and highest step: ARKit weights stay possible, identity within 3.5 standard deviations."""
    lower, upper = np.full(head.size, -np.inf), np.full(head.size, np.inf)
    count = len(head.identity)
    lower[:count], upper[:count] = -3.5 - head.identity, 3.5 - head.identity
    for index, photo in enumerate(head.photos):
        at = head.block(index)[EXPRESSION:]
        lower[at], upper[at] = -photo.expression, 1.0 - photo.expression
        upper[at[MOUTH_CLOSE]] = photo.expression[JAW_OPEN] - photo.expression[MOUTH_CLOSE]
    return lower, upper


def surface_share(options: MapOptions, yaw: float) -> float:
    """How much of the surface points' information counts at a yaw in radians."""
    turned = min(abs(yaw) / TURNED, 1.0)
    turned = turned * turned * (3 - 2 * turned)
    return options.frontal_share + turned * (options.surface_share - options.frontal_share)


def fit_landmarks(
    evidence: Evidence, observations: Sequence[Observation], options: MapOptions | None = None
) -> HeadState:
    """Identity, poses, focal lengths and expressions that explain landmarks and outlines best under the priors."""
    options = options or MapOptions()
    points, calibration = evidence.points, evidence.calibration
    stable = stable_points(calibration, points)
    head = HeadState(
        np.zeros(len(points.identity)), [initial_photo(observation, points, stable) for observation in observations]
    )
    priors = [calibration.expression_prior(observation.blendshapes) for observation in observations]
    for photo, (mean, _) in zip(head.photos, priors, strict=True):
        photo.expression = possible_expression(mean)
    for iteration in range(options.iterations):
        hessian, gradient = np.zeros((head.size, head.size)), np.zeros(head.size)
        for index, observation in enumerate(observations):
            late = iteration - options.outline_from
            robust_m = ROBUST_M[min(late, len(ROBUST_M) - 1)] if late >= 0 else None
            add_evidence(evidence, head, index, observation, options, robust_m, hessian, gradient)
        prior_equations(head, priors, options.identity_weight, hessian, gradient)
        step = bounded_step(hessian, gradient, *step_bounds(head))
        head.move(step)
        if iteration > options.outline_from and np.abs(step[: len(head.identity)]).max() < 5e-3:
            break
    return head


def add_evidence(
    evidence: Evidence,
    head: HeadState,
    index: int,
    observation: Observation,
    options: MapOptions,
    outline_robust_m: float | None,  # see outline_residuals; None leaves the outline out
    hessian: np.ndarray,
    gradient: np.ndarray,
) -> None:
    """Add one photo's landmarks, surface points, irises, pins and outline to the normal equations (in place)."""
    checkpoint()
    photo, at = head.photos[index], head.indices(index)
    terms = [
        landmark_residuals(
            evidence.calibration, evidence.points, observation.landmarks, photo, head.identity, options.correlated
        )
    ]
    if observation.surface is not None and evidence.surface is not None:
        terms.append(
            landmark_residuals(
                evidence.surface.noise, evidence.surface.points, observation.surface.places, photo, head.identity,
                options.correlated,
            ).scaled(surface_share(options, photo.yaw))
        )  # fmt: skip
    if len(observation.landmarks) > FACE_POINTS:
        terms.append(gaze_residuals(evidence.gaze, observation.landmarks, photo, head.identity))
    if observation.pins is not None and len(observation.pins):
        terms.append(pin_residuals(evidence.pinned, observation.pins, photo, head.identity))
    if outline_robust_m is not None and observation.matte is not None and observation.skin is not None:
        found = outline_residuals(
            evidence.outline, evidence.template, photo, head.identity, observation.matte, observation.skin,
            observation.scale, outline_robust_m,
        )  # fmt: skip
        if found is not None:
            terms.append(found)
    for term in terms:
        hessian[np.ix_(at, at)] += term.jacobian.T @ term.jacobian
        gradient[at] += term.jacobian.T @ term.value
