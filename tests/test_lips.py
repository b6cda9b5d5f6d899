"""Lip measures on heads whose lips are known."""

import numpy as np
import pytest

from enliven.face.head import load_head
from enliven.geometry import rotation_from_angles
from enliven.metrics.lips import best_lag, correlation, lip_measures, measure_shape
from enliven.types import EXPRESSION


def heads(**channels: list[float]) -> np.ndarray:
    """Head points (T, 478, 3) of an expression over time, IOD."""
    model = load_head()
    frames = len(next(iter(channels.values())))
    expression = np.zeros((frames, len(EXPRESSION)))
    for name, values in channels.items():
        expression[:, EXPRESSION.index(name)] = values
    return model.mean + np.einsum("tk,kpc->tpc", expression, model.basis)


def test_measures_do_not_depend_on_place_size_or_pose() -> None:
    points = heads(jawOpen=[0.0, 0.2, 0.6], mouthPucker=[0.0, 0.5, 0.0])
    straight = lip_measures(points * 100 + 300)
    turned = lip_measures(points @ rotation_from_angles(0.3, -0.2, 0.4).T * 173 - 20)
    for name in ("aperture", "height", "width", "protrusion", "chin"):
        np.testing.assert_allclose(getattr(turned, name), getattr(straight, name), atol=1e-6)


def test_each_measure_answers_its_movement() -> None:
    rest = measure_shape(heads(jawOpen=[0.0]))
    jaw = measure_shape(heads(jawOpen=[0.5]))
    assert jaw.aperture > rest.aperture + 0.1
    assert jaw.chin > rest.chin + 0.05
    assert measure_shape(heads(mouthPucker=[0.8])).width < rest.width - 0.03
    assert (
        measure_shape(heads(mouthSmileLeft=[0.8], mouthSmileRight=[0.8])).width > rest.width + 0.05
    )


def test_lost_frames_are_nan() -> None:
    points = heads(jawOpen=[0.1, 0.2, 0.3]) * 100
    points[1] = np.nan
    aperture = lip_measures(points).aperture
    assert np.isnan(aperture).tolist() == [False, True, False]
    assert correlation(aperture, np.array([1.0, 0.0, 3.0])) == pytest.approx(1.0)


def test_correlation_in_closed_form() -> None:
    time = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    assert correlation(np.sin(time), np.sin(time + 1.0)) == pytest.approx(np.cos(1.0), abs=1e-6)
    assert correlation(np.sin(time), -5 * np.sin(time) + 3) == pytest.approx(-1.0)
    assert correlation(np.ones(10), np.arange(10.0)) == 0.0


@pytest.mark.parametrize("late", [-4, 0, 3])
def test_best_lag_finds_a_known_delay(late: int) -> None:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal(200)
    assert best_lag(signal, np.roll(signal, late), 8)[0] == late
