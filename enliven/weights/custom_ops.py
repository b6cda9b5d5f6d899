"""MediaPipe's custom TFLite ops as small ONNX subgraphs.

Three belong to the attention face mesh: a crop of the feature map around the lips or an eye is
placed by the coarse landmarks (matrix), sampled (bilinear) and its points are mapped back
(landmarks).  The fourth is a transposed convolution with bias, which ONNX has as it is.
"""

import math
import struct
from typing import Any

import numpy as np
import tflite
from flatbuffers import flexbuffers
from onnx import TensorProto

from enliven.weights.graph import Graph, UnsupportedGraphError


def _parameters(op: Any) -> dict[str, Any]:
    return flexbuffers.Loads(op.CustomOptionsAsNumpy().tobytes())


def landmarks_to_matrix(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    """Landmarks (1, n, 3) -> 4x4 map from pixels of an output crop to landmark units.

    The crop is the box of a subset of points, upright along the line through two of them,
    scaled on each axis, with its top left corner at pixel coordinate (0, 0).
    """
    p = _parameters(op)
    graph.landmark_subsets.append(p["subset_idxs"])
    size = np.array([p["output_width"], p["output_height"]], np.float32)
    scale = np.array([p["scale_x"], p["scale_y"]], np.float32) / size

    def points(indices: list[int]) -> str:  # (1, k, 2)
        rows = graph.const(np.array(indices, np.int64))
        picked = graph.node("Gather", [graph.get(ins[0]), rows], axis=1)
        return graph.node("Gather", [picked, graph.const(np.array([0, 1], np.int64))], axis=2)

    rotation = _rotation(
        graph,
        points([p["right_rotation_idx"]]),
        points([p["left_rotation_idx"]]),
        p["target_rotation_radians"],
    )
    inverse = graph.node("Transpose", [rotation], perm=[0, 2, 1])

    turned = graph.node("MatMul", [points(p["subset_idxs"]), inverse])  # rows (R p)^T
    low = graph.node("ReduceMin", [turned], axes=[1], keepdims=1)
    high = graph.node("ReduceMax", [turned], axes=[1], keepdims=1)
    middle = graph.node("Mul", [graph.node("Add", [low, high]), graph.const(np.float32(0.5))])
    middle = graph.node("MatMul", [middle, rotation])  # rows (R^-1 m)^T
    middle = graph.node("Transpose", [middle], perm=[0, 2, 1])
    extent = graph.node("Mul", [graph.node("Sub", [high, low]), graph.const(scale)])

    linear = graph.node("Mul", [inverse, extent])  # R^-1 diag(extent)
    shift = graph.node("MatMul", [linear, graph.const(-size.reshape(1, 2, 1) / 2)])
    shift = graph.node("Add", [middle, shift])
    zeros = graph.const(np.zeros((1, 2, 1), np.float32))
    top = graph.node("Concat", [linear, zeros, shift], axis=2)
    bottom = graph.const(np.eye(4, dtype=np.float32)[None, 2:])
    graph.put(out, graph.node("Concat", [top, bottom], axis=1))


def _rotation(graph: Graph, start: str, end: str, target_rad: float) -> str:
    """R (1, 2, 2) that turns the line between two points (1, 1, 2) to the target angle.

    From the unit vector u of the line start - end, because ONNX has no atan2:
    cos r = c ux + s uy and sin r = s ux - c uy, with c, s of the target angle.
    """
    line = graph.node("Sub", [start, end])
    length = graph.node("ReduceL2", [line], axes=[2], keepdims=1)
    length = graph.node("Max", [length, graph.const(np.float32(1e-9))])
    unit = graph.node("Div", [line, length])
    c, s = math.cos(target_rad), math.sin(target_rad)
    rows = np.array([[c, -s, s, c], [s, c, -c, s]], np.float32)  # -> cos r, -sin r, sin r, cos r
    flat = graph.node("MatMul", [unit, graph.const(rows)])
    return graph.node("Reshape", [flat, graph.const(np.array([1, 2, 2], np.int64))])


def transform_bilinear(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    """Sample the feature map at M (x + 0.5, y + 0.5) - 0.5 for each pixel of the output.

    Bilinear; a position outside [0, size - 1] on either axis gives zero as a whole, not a blend
    with zero, so that GridSample would not be equal.
    """
    p = _parameters(op)
    _, rows, columns, channels = graph.shape(ins[0])
    y, x = np.mgrid[: p["output_height"], : p["output_width"]].astype(np.float32) + 0.5
    centres = graph.const(np.stack([x, y], -1).reshape(1, -1, 2))
    wanted = _apply_matrix(graph, centres, ins[1], -0.5)  # (1, n, 2) as x, y

    last = np.array([columns - 1, rows - 1], np.float32)
    position = graph.node("Max", [wanted, graph.const(np.float32(0))])
    position = graph.node("Min", [position, graph.const(last)])
    inside = graph.node("Cast", [graph.node("Equal", [position, wanted])], to=TensorProto.FLOAT)
    inside = graph.node("ReduceMin", [inside], axes=[2], keepdims=1)

    # upper left of the four neighbours, kept one short of the edge, then all four flat indices
    corner = graph.node("Min", [graph.node("Floor", [position]), graph.const(last - 1)])
    index = graph.node("MatMul", [corner, graph.const(np.array([[1], [columns]], np.float32))])
    steps = graph.const(np.array([0, 1, columns, columns + 1], np.float32))
    index = graph.node("Cast", [graph.node("Add", [index, steps])], to=TensorProto.INT64)

    fraction = graph.node("Sub", [position, corner])
    weights = [_corner_weights(graph, fraction, axis) for axis in (0, 1)]
    weight = graph.node("Mul", [graph.node("Mul", weights), inside])
    weight = graph.node("Reshape", [weight, graph.const(np.array([1, -1, 4, 1], np.int64))])

    flat = graph.const(np.array([-1, channels], np.int64))
    pixels = graph.node("Reshape", [graph.get(ins[0], "plain"), flat])
    sampled = graph.node("Mul", [weight, graph.node("Gather", [pixels, index], axis=0)])
    sampled = graph.node("ReduceSum", [sampled, graph.const(np.array([2], np.int64))], keepdims=0)
    shape = graph.const(np.array(graph.shape(out), np.int64))
    graph.put(out, graph.node("Reshape", [sampled, shape]), "plain")


def _corner_weights(graph: Graph, fraction: str, axis: int) -> str:
    """Weights (1, n, 4) of the four neighbours along one axis: 1 - f before, f after."""
    before_first = [[1, 0, 1, 0], [1, 1, 0, 0]][axis]
    part = graph.node("Gather", [fraction, graph.const(np.array([axis], np.int64))], axis=2)
    part = graph.node("Sub", [part, graph.const(np.array(before_first, np.float32))])
    return graph.node("Abs", [part])


def transform_landmarks(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    """Landmarks (1, n, 2) through the x and y rows of the matrix, without a half-pixel shift."""
    if graph.shape(ins[0])[2] != 2:
        raise UnsupportedGraphError("TransformLandmarks of 3-D points")
    graph.put(out, _apply_matrix(graph, graph.get(ins[0]), ins[1], 0.0))


def _apply_matrix(graph: Graph, points: str, matrix: int, offset: float) -> str:
    """Points (1, n, 2) through the x and y rows of a 4x4 matrix, plus a constant."""
    start, stop, axis = (graph.const(np.array([n], np.int64)) for n in (0, 2, 1))
    rows = graph.node("Slice", [graph.get(matrix), start, stop, axis])
    columns = graph.node("Transpose", [rows], perm=[0, 2, 1])  # (1, 4, 2)
    linear = graph.node("Gather", [columns, graph.const(np.array([0, 1], np.int64))], axis=1)
    shift = graph.node("Gather", [columns, graph.const(np.array([3], np.int64))], axis=1)
    if offset:
        shift = graph.node("Add", [shift, graph.const(np.float32(offset))])
    return graph.node("Add", [graph.node("MatMul", [points, linear]), shift])


def transposed_convolution(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    """Transposed convolution with bias; options are three int32: padding, stride x, stride y."""
    padding, stride_x, stride_y = struct.unpack("<3i", op.CustomOptionsAsNumpy().tobytes()[:12])
    weight = graph.constants[ins[1]].transpose(3, 0, 1, 2)  # OHWI -> IOHW
    sizes = zip(graph.shape(ins[0])[1:3], graph.shape(out)[1:3], weight.shape[2:],
                (stride_y, stride_x), strict=True)  # fmt: skip
    surplus = [(size - 1) * stride + kernel - wanted for size, wanted, kernel, stride in sizes]
    if min(surplus) < 0 or (padding == tflite.Padding.VALID and any(surplus)):
        raise UnsupportedGraphError(f"transposed convolution with padding {padding}")
    before = [n // 2 for n in surplus]
    after = [n - b for n, b in zip(surplus, before, strict=True)]
    inputs = [graph.get(ins[0]), graph.const(weight), graph.const(graph.constants[ins[2]])]
    value = graph.node("ConvTranspose", inputs, kernel_shape=list(weight.shape[2:]),
                       strides=[stride_y, stride_x], pads=before + after)  # fmt: skip
    graph.put(out, value)
