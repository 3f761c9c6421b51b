"""The expression of a known head in every frame: maximum a posteriori on landmarks, pose free, identity and lens fixed.

The prior of each frame lies around the perception's own scores, wide where they are high; most shapes rest most of the
time, so there is also a pull to zero. What the landmarks show of the known head moves it. One focal length holds for a
clip; it is found first, on frames spread over it, and so is the person's own error of the landmarks, on calm frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..fitting.bounded import bounded_step
from ..fitting.gaze import GazePoints, gaze_residuals
from ..fitting.landmarks import LandmarkCalibration, Residuals, landmark_residuals, roll_axes
from ..fitting.linear_points import LinearPoints
from ..fitting.map_initialisation import Observation, initial_photo, stable_points
from ..fitting.parameters import BLOCK, EXPRESSION, FOCAL, JAW_OPEN, MOUTH_CLOSE, PhotoState, possible_expression
from ..head.refine import BLINKS
from ..head.template import HeadTemplate
from ..perception.face import Face
from ..perception.landmarks import EYE_LIDS
from ..protocol.cancellation import checkpoint
from ..protocol.errors import MienError
from .landmark_noise import NOBODY, CaptureNoise, clip_iris_residuals, clip_residuals

STEPS_FIRST, STEPS_NEXT = 8, 3  # Gauss-Newton steps without and with a frame before
SETTLED = 2e-3  # of a weight: smaller steps end the solve
KNOWN_LENS_LOG_SD = 1e-4
FOCAL_FRAMES = 10  # looked at for the focal length
#: Of a clip's prior: standard deviation at score zero, its growth with the score, pull to zero (1 / weight).
PRIOR_SD, PRIOR_SD_PER_SCORE, PULL = 0.10, 1.0, 2.0
#: Lid opening over eye width at which the iris is not, and fully, seen.
SHUT, OPEN = 0.10, 0.25
#: Share of the usual opening below which lids are thought to blink, and surely do; where landmarks of shut lids end.
SHUTTING, LIDS_MEET, SHUT_SD = (0.90, 0.60), 0.12, 0.05


@dataclass(frozen=True)
class Off:
    """How far landmarks lie off a fitted face, metres, upright with the head."""

    face: np.ndarray  # [468, 2]
    iris: np.ndarray  # [2, 2] right, left

    @classmethod
    def typical(cls, several: Sequence[Off]) -> Off:
        return cls(np.median([off.face for off in several], axis=0), np.median([off.iris for off in several], axis=0))


@dataclass(frozen=True)
class Solved:
    """One frame."""

    state: PhotoState
    rms_m: float  # of the landmarks at the head's depth
    off: Off  # what the fit leaves of the landmarks
    focal_information: float  # of the logarithm of the focal length, without its prior


@dataclass(frozen=True)
class KnownHead:
    """What of a head the landmarks see."""

    calibration: LandmarkCalibration
    points: LinearPoints
    gaze: GazePoints
    stable: np.ndarray
    lid_rest: float  # how far of a blink the neutral head's lids are lowered already
    noise: CaptureNoise | None = None  # for clips: with it, `own_bias` must be the person's
    own_bias: np.ndarray | None = None  # [468, 2] metres
    own_iris: np.ndarray | None = None  # [2, 2] metres, right and left
    opening: np.ndarray | None = None  # [2] right, left: lid opening over eye width of the open eyes

    @classmethod
    def of(cls, personal: HeadTemplate, calibration: LandmarkCalibration, lid_rest: float = 0.0) -> KnownHead:
        """As in a photo that stands alone; `personal` is from `personal_template`."""
        points = calibration.points(personal)
        return cls(calibration, points, GazePoints.of(personal), stable_points(calibration, points), lid_rest)

    def in_clip(self, noise: CaptureNoise, own: Off, opening: np.ndarray) -> KnownHead:
        """The same head in a clip whose calm frames have told the person's own error of the landmarks."""
        return replace(self, noise=noise, own_bias=own.face, own_iris=own.iris, opening=opening)

    def prior(self, scores: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """[52] scores, [478, >=2] pixels -> ([52] expected weights of this head's shapes, [52] standard deviations)."""
        if self.noise is None:
            mean, sd = self.calibration.expression_prior(scores)
            mean = mean.copy()
            mean[list(BLINKS)] = np.clip((mean[list(BLINKS)] - self.lid_rest) / (1 - self.lid_rest), 0, 1)
            return mean, sd
        # In a clip: what a face scores at rest says nothing.
        mean = np.clip(self.calibration.expression_gain * scores, 0, 1)
        sd = np.hypot(PRIOR_SD, PRIOR_SD_PER_SCORE * scores)
        # Scores of shut eyes stay far from 1; lids that meet are a blink whatever else is so.
        left = np.clip(lid_openings(landmarks) / self.opening, 0, 1)  # of the opening, right and left
        for blink, share in zip(BLINKS, left[::-1], strict=True):
            sure = np.clip((SHUTTING[0] - share) / (SHUTTING[0] - SHUTTING[1]), 0, 1)
            closed = min((1 - share) / (1 - LIDS_MEET), 1.0)
            mean[blink] += sure * (closed - mean[blink])
            sd[blink] += sure * (SHUT_SD - sd[blink])
        return mean, sd

    def landmark_residuals(self, landmarks: np.ndarray, state: PhotoState) -> Residuals:
        if self.noise is None:
            return landmark_residuals(self.calibration, self.points, landmarks, state, NOBODY, correlated=0.0)
        return clip_residuals(self.noise, self.calibration, self.own_bias, self.points, landmarks, state)

    def iris_residuals(self, landmarks: np.ndarray, state: PhotoState) -> Residuals:
        if self.noise is None:
            return gaze_residuals(self.gaze, landmarks, state, NOBODY)
        return clip_iris_residuals(self.gaze, self.own_iris, landmarks, state)


def observation_of(width: int, height: int, face: Face, focal_px: float | None) -> Observation:
    return Observation(width, height, face.landmarks.astype(np.float64), face.blendshapes.astype(np.float64), focal_px)


def solve_frame(
    head: KnownHead, observation: Observation, before: PhotoState | None = None, focal_px: float | None = None
) -> Solved:
    """Pose and expression in one frame, from the frame before where there is one.

    Raises:
        MienError: fit_failed, where landmarks fit no pose.
    """
    checkpoint()
    mean, sd = head.prior(observation.blendshapes, observation.landmarks)
    state = _start(head, observation, before, focal_px)
    state.expression = possible_expression(mean)  # a blink is over before small steps have followed it
    for _ in range(STEPS_FIRST if before is None else STEPS_NEXT):
        hessian, gradient = _equations(head, observation, state, mean, sd)
        step = bounded_step(hessian, gradient, *_bounds(state))
        state.move(step)
        if np.abs(step[EXPRESSION:]).max() < SETTLED and np.abs(step[:3]).max() < SETTLED:
            break
    spread = np.linalg.inv(hessian)[FOCAL, FOCAL]
    information = max(1 / spread - 1 / state.focal_log_sd**2, 0.0)
    off = _off(head, observation, state)
    return Solved(state, float(np.sqrt((off.face**2).sum(1).mean())), off, information)


def pose_frame(head: KnownHead, observation: Observation, expression: np.ndarray, focal_px: float) -> Off:
    """How far the landmarks lie off a face of known expression [52], pose fitted to them alone.

    Raises:
        MienError: fit_failed, where landmarks fit no pose.
    """
    state = _start(head, observation, None, focal_px)
    state.expression = expression.copy()
    for _ in range(STEPS_FIRST):
        term = head.landmark_residuals(observation.landmarks, state)
        pose = term.jacobian[:, :FOCAL]
        step = np.zeros(EXPRESSION)  # without the weights: `move` leaves them
        step[:FOCAL] = np.linalg.solve(pose.T @ pose + 1e-9 * np.eye(FOCAL), pose.T @ term.value)
        state.move(step)
    return _off(head, observation, state)


def _off(head: KnownHead, observation: Observation, state: PhotoState) -> Off:
    iris = head.iris_residuals(observation.landmarks, state).distance
    return Off(head.landmark_residuals(observation.landmarks, state).distance, iris @ roll_axes(state).T)


def common_focal(head: KnownHead, observations: Sequence[Observation]) -> float:
    """Focal length in px of one camera from frames spread over a clip, each counting by what it knows.

    Raises:
        MienError: fit_failed, where no frame's landmarks fit a pose.
    """
    places = np.unique(np.linspace(0, len(observations) - 1, FOCAL_FRAMES).astype(int))
    logs, information, prior = [], [], None
    for place in places:
        try:
            solved = solve_frame(head, observations[place])
        except MienError as error:
            if error.code != "fit_failed":
                raise
            continue
        state = solved.state
        prior = np.log(state.focal_prior_px), 1 / state.focal_log_sd**2
        # The frame's own estimate, with its share of the prior taken out.
        total = solved.focal_information + prior[1]
        own = (np.log(state.focal_px) * total - prior[0] * prior[1]) / max(solved.focal_information, 1e-9)
        logs.append(own)
        information.append(solved.focal_information)
    if prior is None:
        raise no_pose()
    # Errors of one face in one clip are much the same in all its frames: they count as one frame's knowledge, no more.
    shares = np.array(information) / len(information)
    return float(np.exp((prior[0] * prior[1] + shares @ np.array(logs)) / (prior[1] + shares.sum())))


def no_pose() -> MienError:
    return MienError("fit_failed", "The face's pose cannot be found in this footage: choose one that shows it better.")


def _start(head: KnownHead, observation: Observation, before: PhotoState | None, focal_px: float | None) -> PhotoState:
    if before is None:
        state = initial_photo(observation, head.points, head.stable)
    else:
        state = PhotoState(
            before.width, before.height, before.rotation.copy(), before.translation.copy(),
            before.focal_px, before.focal_prior_px, before.focal_log_sd, before.expression.copy(),
        )  # fmt: skip
    if focal_px is not None:
        state.translation = state.translation * np.array([1.0, 1.0, focal_px / state.focal_px])
        state.focal_px = state.focal_prior_px = focal_px
        state.focal_log_sd = KNOWN_LENS_LOG_SD
    return state


def _equations(
    head: KnownHead, observation: Observation, state: PhotoState, mean: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations [59, 59], [59] of one frame."""
    seen = head.landmark_residuals(observation.landmarks, state)
    gaze = head.iris_residuals(observation.landmarks, state)
    shown = np.repeat(_iris_shown(observation.landmarks), 2)
    hessian = seen.jacobian.T @ seen.jacobian + (gaze.jacobian * shown[:, None]).T @ gaze.jacobian
    gradient = seen.jacobian.T @ seen.value + gaze.jacobian.T @ (shown * gaze.value)
    weights = np.arange(EXPRESSION, BLOCK)
    hessian[weights, weights] += 1 / sd**2
    gradient[weights] += (mean - state.expression) / sd**2
    if head.noise is not None:
        gradient[weights] -= PULL
    hessian[FOCAL, FOCAL] += 1 / state.focal_log_sd**2
    gradient[FOCAL] -= np.log(state.focal_px / state.focal_prior_px) / state.focal_log_sd**2
    pose = np.arange(FOCAL)
    hessian[pose, pose] += 1e-3
    return hessian, gradient


def _iris_shown(landmarks: np.ndarray) -> np.ndarray:
    """[2] 0..1, right and left: behind a shut lid the network places the iris all the same."""
    return np.clip((lid_openings(landmarks) - SHUT) / (OPEN - SHUT), 0, 1)


def lid_openings(landmarks: np.ndarray) -> np.ndarray:
    """[2] right and left: height of the lids' opening over the eye's width."""
    upper, lower, outer, inner = (landmarks[list(points), :2] for points in zip(*EYE_LIDS, strict=True))
    width = np.linalg.norm(outer - inner, axis=1)
    return np.linalg.norm(upper - lower, axis=1) / np.maximum(width, 1e-6)


def _bounds(state: PhotoState) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = np.full(BLOCK, -np.inf), np.full(BLOCK, np.inf)
    lower[EXPRESSION:], upper[EXPRESSION:] = -state.expression, 1.0 - state.expression
    # mouthClose takes back what jawOpen opens.
    upper[EXPRESSION + MOUTH_CLOSE] = state.expression[JAW_OPEN] - state.expression[MOUTH_CLOSE]
    return lower, upper
