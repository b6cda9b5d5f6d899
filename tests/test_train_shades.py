"""Learning shades: what is put in comes out, and what is unseen stays as geometry has it."""

import numpy as np
import pytest

from enliven.face.head_model import load_head
from enliven.render.creases import flattened
from enliven.train.shades import Observed, layout, learn, map_size
from enliven.types import EXPRESSION

JAW, SNEER = EXPRESSION.index("jawOpen"), EXPRESSION.index("noseSneerLeft")


def test_learning_finds_the_planted_shade_and_keeps_the_prior_of_the_unseen():
    columns, rows = map_size()
    random = np.random.default_rng(0)
    change = np.zeros((400, len(EXPRESSION)))
    change[:, JAW] = random.uniform(0, 1, 400)
    truth = np.full(rows * columns, -0.1)
    seen = Observed(np.outer(change[:, JAW], truth), change, np.zeros((400, 3)), "someone")
    prior = np.zeros((len(EXPRESSION), rows, columns))
    prior[SNEER] = 0.05
    where = layout()
    maps = learn([seen], where, prior)
    assert np.allclose(maps[SNEER], 0.05, atol=1e-6)
    chin = np.argmin(np.linalg.norm(flattened(load_head().mean[[17]]) - _cells(), axis=-1))
    assert maps[JAW].ravel()[chin] == pytest.approx(-0.1, abs=0.02)


def test_a_mirrored_face_is_learned_from_as_well():
    columns, rows = map_size()
    change = np.zeros((200, len(EXPRESSION)))
    left, right = (EXPRESSION.index("mouthSmile" + side) for side in ("Left", "Right"))
    change[:, left] = np.linspace(0, 1, 200)
    ratio = np.zeros((200, rows, columns))
    ratio[:, :, columns // 2 :] = -0.1 * change[:, left, None, None]
    seen = Observed(ratio.reshape(200, -1), change, np.zeros((200, 3)), "someone")
    maps = learn([seen], layout(), np.zeros((len(EXPRESSION), rows, columns)))
    assert np.allclose(maps[left], maps[right][:, ::-1], atol=2e-3)
    assert maps[left].min() < -0.05


def _cells():
    from enliven.render.paint import SHADE_BOX

    columns, rows = map_size()
    x0, y0, x1, y1 = SHADE_BOX
    x, y = np.meshgrid(x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns,
                       y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows)  # fmt: skip
    return np.stack([x, y], -1).reshape(-1, 2)
