"""A first expression basis from geometry alone: ICT-FaceKit's deltas carried onto the face mesh.

ICT-FaceKit (Li et al. 2020, MIT) models 57 expressions on a dense head whose names follow ARKit.
Its neutral head is aligned to our mean head by 68 corresponding landmarks, bent onto it by a
thin-plate spline, and each of our 478 points then takes the motion of the nearest spot of skin,
looked for on its own lip or lid only.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enliven.face.head_model import (
    IRIS_POINTS,
    LID_PAIRS,
    LIP_RINGS_LOWER,
    LIP_RINGS_UPPER,
    close_lids,
    mirror_points,
)
from enliven.geometry import similarity
from enliven.types import EXPRESSION

Array = NDArray[np.floating]

SKIN_VERTICES = 11248  # ICT-FaceKit lists face and neck first; sockets, teeth and eyes follow

# our landmarks for the 51 inner iBUG points that ICT-FaceKit marks (17 to 67), then the chin (8)
IBUG = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 6, 195, 4, 75, 97, 2, 326, 305,
        33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
        61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
        78, 81, 13, 311, 308, 402, 14, 178)  # fmt: skip
CHIN_IBUG, CHIN = 8, 152

# ARKit lumps the two halves that ICT-FaceKit keeps apart
JOINED = {"browInnerUp": ("browInnerUp_L", "browInnerUp_R"),
          "cheekPuff": ("cheekPuff_L", "cheekPuff_R")}  # fmt: skip


def prior_basis(geometry: Path, mean: Array) -> Array:
    """Expression basis (52, 478, 3) in IOD from the ICT-FaceKit files in the folder `geometry`."""
    bent, skin, deltas = dense_head(geometry, mean)
    corners, weights = _nearest_skin(mean, bent, skin, deltas["jawOpen"][:, 1])
    basis = np.zeros((len(EXPRESSION), len(mean), 3))
    for i, name in enumerate(EXPRESSION):
        if name in deltas:  # tongueOut has no skin motion
            basis[i] = np.einsum("nkd,nk->nd", deltas[name][corners], weights)
    return finish(basis, mean)


def dense_head(geometry: Path, mean: Array) -> tuple[Array, NDArray[np.int32], dict[str, Array]]:
    """ICT-FaceKit's skin bent onto our mean head, in IOD and head axes.

    Vertices (V, 3), triangles (F, 3), and how each of our channels moves the vertices (V, 3).
    """
    model = np.load(geometry / "ict_facekit_expressions.npz")
    marks = json.loads((geometry / "ict_vertex_indices.json").read_text())["idx_to_landmark_verts"]
    flip = np.array([1, -1, -1.0])  # ICT-FaceKit: y up, z towards the camera
    neutral = model["neutral"][:SKIN_VERTICES] * flip
    names = [str(name) for name in model["expr_names"]]
    deltas = model["expr"][:, :SKIN_VERTICES].astype(np.float64) * flip
    quads = model["faces"][(model["faces"] < SKIN_VERTICES).all(1)]
    skin = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])

    anchors = neutral[[*marks[17:], marks[CHIN_IBUG]]]
    targets = mean[[*IBUG, CHIN]]
    scale, rotation, shift = similarity(anchors, targets)
    bent = _thin_plate(scale * anchors @ rotation.T + shift, targets,
                       scale * neutral @ rotation.T + shift)  # fmt: skip
    deltas = scale * deltas @ rotation.T
    moved = {}
    for name in EXPRESSION:
        sources = [s for s in JOINED.get(name, (_ict_name(name),)) if s in names]
        if sources:
            moved[name] = np.sum([deltas[names.index(source)] for source in sources], 0)
    return bent, skin, moved


def finish(basis: Array, mean: Array) -> Array:
    """The basis made symmetric, with lids and lips that close exactly and irises that stay."""
    basis = seal_lips(mirror_symmetric(basis))
    basis[:, IRIS_POINTS] = 0
    for name, pairs in LID_PAIRS.items():
        basis = close_lids(basis, mean, name, pairs)
    return basis


def mirror_symmetric(basis: Array) -> Array:
    """The nearest basis whose left and right channels are mirror images of each other."""
    other = [EXPRESSION.index(_mirror_name(name)) for name in EXPRESSION]
    return (basis + basis[other][:, mirror_points()] * np.array([-1, 1, 1])) / 2


def seal_lips(basis: Array) -> Array:
    """The basis with mouthClose made to undo exactly the parting of the inner lips by jawOpen.

    Half of the difference goes to each lip, and the lip's outer rings follow less and less.
    """
    basis = basis.copy()
    jaw, close = EXPRESSION.index("jawOpen"), EXPRESSION.index("mouthClose")
    for k in range(1, 10):
        up, down = LIP_RINGS_UPPER[-1][k], LIP_RINGS_LOWER[-1][k]
        apart = (basis[jaw] + basis[close])[down] - (basis[jaw] + basis[close])[up]
        for ring, share in enumerate((0.1, 0.4, 0.7, 1.0)):
            basis[close, LIP_RINGS_UPPER[ring][k]] += share * apart / 2
            basis[close, LIP_RINGS_LOWER[ring][k]] -= share * apart / 2
    return basis


def _ict_name(name: str) -> str:
    for side in ("Left", "Right"):
        if name.endswith(side) and name not in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            return f"{name.removesuffix(side)}_{side[0]}"
    return name


def _mirror_name(name: str) -> str:
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


def _thin_plate(anchors: Array, targets: Array, points: Array) -> Array:
    """Points moved by the smooth map that takes anchors to targets (kernel |r|, as fits 3-D)."""
    n = len(anchors)
    distance = np.linalg.norm(anchors[:, None] - anchors, axis=-1)
    system = np.zeros((n + 4, n + 4))
    system[:n, :n] = distance - 1e-3 * np.eye(n)  # a trace of slack where anchors nearly meet
    system[:n, n:] = np.c_[np.ones(n), anchors]
    system[n:, :n] = system[:n, n:].T
    weights = np.linalg.solve(system, np.r_[targets - anchors, np.zeros((4, 3))])
    kernel = np.linalg.norm(points[:, None] - anchors, axis=-1)
    return points + kernel @ weights[:n] + np.c_[np.ones(len(points)), points] @ weights[n:]


def _nearest_skin(
    points: Array, vertices: Array, skin: NDArray[np.int32], down_with_jaw: Array
) -> tuple[NDArray[np.int32], Array]:
    """Corner vertices (N, 3) and barycentric weights (N, 3) of the skin nearest to each point.

    down_with_jaw: (V,) how far each vertex follows the jaw; parts the lips where they touch.
    """
    lip_line = 0.16  # jaw travel at the mouth corner, IOD
    on_upper = (down_with_jaw[skin] < lip_line).all(1)
    on_lower = (down_with_jaw[skin] > lip_line).all(1)
    upper = {i for ring in LIP_RINGS_UPPER for i in ring[1:-1]}  # the lips share their corners
    lower = {i for ring in LIP_RINGS_LOWER for i in ring[1:-1]}
    height = vertices[skin][:, :, 1].mean(1)
    lids = {}
    for pairs in LID_PAIRS.values():
        for up, down in pairs:
            middle = (points[up, 1] + points[down, 1]) / 2
            lids[up], lids[down] = height < middle, height > middle
    corners, weights = [], []
    for i, point in enumerate(points):
        allowed = lids.get(i, np.ones(len(skin), bool))
        if i in upper:
            allowed = on_upper
        elif i in lower:
            allowed = on_lower
        near = np.linalg.norm(vertices[skin[:, 0]] - point, axis=1)
        candidates = np.flatnonzero(allowed)
        candidates = candidates[np.argsort(near[candidates])[:200]]
        part = _closest_in_triangles(point, vertices[skin[candidates]])
        spot = np.einsum("tk,tkd->td", part, vertices[skin[candidates]])
        best = np.linalg.norm(spot - point, axis=1).argmin()
        corners.append(skin[candidates[best]])
        weights.append(part[best])
    return np.array(corners), np.array(weights)


def _closest_in_triangles(point: Array, triangles: Array) -> Array:
    """Barycentric weights (T, 3) of the spot nearest to a point in each of T triangles."""
    a, edges = triangles[:, 0], triangles[:, 1:] - triangles[:, :1]
    gram = edges @ edges.transpose(0, 2, 1) + 1e-12 * np.eye(2)
    inside = np.linalg.solve(gram, (edges @ (point - a)[:, :, None]))[:, :, 0]
    inside = np.c_[1 - inside.sum(1), inside]
    best = np.where((inside >= 0).all(1)[:, None], inside, 0)
    gap = np.where((inside >= 0).all(1), 0, np.inf)
    for k in range(3):  # otherwise the nearest spot lies on one of the sides
        start, end = triangles[:, k], triangles[:, (k + 1) % 3]
        along = ((point - start) * (end - start)).sum(1) / np.maximum(
            ((end - start) ** 2).sum(1), 1e-12
        )
        along = along.clip(0, 1)
        distance = np.linalg.norm(start + along[:, None] * (end - start) - point, axis=1)
        side = np.zeros_like(inside)
        side[:, k], side[:, (k + 1) % 3] = 1 - along, along
        closer = distance < gap
        best[closer], gap[closer] = side[closer], distance[closer]
    return best
