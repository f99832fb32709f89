"""Smoothing of tracked coefficients: constant-velocity Kalman filter and RTS smoother (P1, section 4.1).

Per coefficient the state is value and velocity; acceleration is white noise of density Q, a measurement has variance
R. Motion at (Q fps / R)^(1/4) / 2 pi Hz is halved, faster motion is taken for jitter. The defaults put that at 8 Hz,
above the rate of syllables. Frames in which the tracker found no face are filled by the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emoface_training.errors import DatasetError


@dataclass(frozen=True)
class Noise:
    """process: Q, density of acceleration noise (unit^2 / s^3). measurement: R, variance (unit^2)."""

    process: float
    measurement: float


# Of EMOCA's codes: expression coefficients are of order 1, the jaw's rotation of order 0.1 rad
EXPRESSION_NOISE = Noise(process=525.0, measurement=2.5e-3)
JAW_NOISE = Noise(process=21.0, measurement=1e-4)


def smooth(values: np.ndarray, fps: int, noise: Noise) -> np.ndarray:
    """Smoothed float64 [T, C] of values [T, C]; rows of NaN are missing frames and are filled.

    Raises DatasetError when no row is present.
    """
    from pykalman import KalmanFilter

    present = np.isfinite(values).all(1)
    if not present.any():
        raise DatasetError("no frame with coefficients", "at least one", "Leave this take out.")
    dt = 1.0 / fps
    transition = np.array([[1.0, dt], [0.0, 1.0]])
    process = noise.process * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    out = np.empty(values.shape)
    for column in range(values.shape[1]):
        measured = np.ma.masked_array(np.where(present, values[:, column], 0.0), ~present)
        start = float(values[present][0, column])
        speed = noise.process * dt + noise.measurement / dt**2
        kalman = KalmanFilter(
            transition,
            [[1.0, 0.0]],
            process,
            [[noise.measurement]],
            initial_state_mean=[start, 0.0],
            initial_state_covariance=[[noise.measurement, 0.0], [0.0, speed]],
        )
        out[:, column] = kalman.smooth(measured)[0][:, 0]
    return out
