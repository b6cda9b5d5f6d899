"""TFLite -> ONNX, on graphs of one op whose result NumPy gives.

pytest tests/test_weights_convert.py
"""

import hashlib

import numpy as np
import onnxruntime
import pytest
import tflite
from tiny_tflite import compressed_rows, flex, one_op

from enliven.weights.convert import convert
from enliven.weights.graph import UnsupportedGraphError

OPS = tflite.BuiltinOperator
KINDS = tflite.BuiltinOptions


def run(file: bytes, *inputs: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(convert(file), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))[0]


@pytest.fixture
def random():
    return np.random.default_rng(0)


def conv_options(stride, padding, activation=tflite.ActivationFunctionType.NONE, depthwise=False):
    kind = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"

    def write(b):
        getattr(tflite, f"{kind}Start")(b)
        getattr(tflite, f"{kind}AddPadding")(b, padding)
        getattr(tflite, f"{kind}AddStrideH")(b, stride)
        getattr(tflite, f"{kind}AddStrideW")(b, stride)
        getattr(tflite, f"{kind}AddDilationHFactor")(b, 1)
        getattr(tflite, f"{kind}AddDilationWFactor")(b, 1)
        getattr(tflite, f"{kind}AddFusedActivationFunction")(b, activation)
        if depthwise:
            tflite.DepthwiseConv2DOptionsAddDepthMultiplier(b, 1)
        return getattr(KINDS, kind), getattr(tflite, f"{kind}End")(b)

    return write


def same_windows(x, kernel, stride):
    """Windows of TensorFlow's SAME padding (1, h, w, kernel, kernel, c), written from its rule:
    as many outputs as strides fit, and of an odd number of padding pixels the larger half after.
    """
    _, height, width, _ = x.shape
    out = [-(-n // stride) for n in (height, width)]
    total = [
        max((o - 1) * stride + kernel - n, 0) for o, n in zip(out, (height, width), strict=True)
    ]
    pads = [(t // 2, t - t // 2) for t in total]
    padded = np.pad(x, [(0, 0), *pads, (0, 0)])
    return np.array([[[padded[0, stride * i : stride * i + kernel, stride * j : stride * j + kernel]
                       for j in range(out[1])] for i in range(out[0])]])  # fmt: skip


@pytest.mark.parametrize(("size", "stride", "kernel"), [(5, 1, 3), (6, 2, 3), (7, 2, 5), (4, 2, 2)])
def test_convolution_pads_as_tensorflow_does(random, size, stride, kernel):
    x = random.normal(size=(1, size, size + 1, 3)).astype(np.float32)
    weight = random.normal(size=(4, kernel, kernel, 3)).astype(np.float32)
    bias = random.normal(size=4).astype(np.float32)
    windows = same_windows(x, kernel, stride)
    expected = np.einsum("nhwijc,oijc->nhwo", windows, weight) + bias
    file = one_op(OPS.CONV_2D, [x.shape], [weight, bias], expected.shape,
                  conv_options(stride, tflite.Padding.SAME))  # fmt: skip
    np.testing.assert_allclose(run(file, x), expected, atol=1e-4)


def test_depthwise_convolution_with_fused_relu6(random):
    x = 4 * random.normal(size=(1, 6, 6, 3)).astype(np.float32)
    weight = random.normal(size=(1, 3, 3, 3)).astype(np.float32)
    bias = np.zeros(3, np.float32)
    expected = np.clip(np.einsum("nhwijc,ijc->nhwc", same_windows(x, 3, 2), weight[0]), 0, 6)
    relu6 = tflite.ActivationFunctionType.RELU6
    file = one_op(OPS.DEPTHWISE_CONV_2D, [x.shape], [weight, bias], expected.shape,
                  conv_options(2, tflite.Padding.SAME, relu6, depthwise=True))  # fmt: skip
    assert expected.max() == 6
    np.testing.assert_allclose(run(file, x), expected, atol=1e-4)


def test_hard_swish_and_prelu(random):
    x = 5 * random.normal(size=(1, 2, 3, 4)).astype(np.float32)
    file = one_op(OPS.HARD_SWISH, [x.shape], [], x.shape)
    np.testing.assert_allclose(run(file, x), x * np.clip(x + 3, 0, 6) / 6, atol=1e-6)
    slope = np.array([0.1, -0.5, 1.0, 2.0], np.float32)
    file = one_op(OPS.PRELU, [x.shape], [slope.reshape(1, 1, 4)], x.shape)
    np.testing.assert_allclose(run(file, x), np.where(x < 0, slope * x, x), atol=1e-6)


@pytest.mark.parametrize("half_pixel", [False, True])
def test_resize_bilinear_samples_where_tensorflow_does(random, half_pixel):
    x = random.normal(size=(1, 3, 1, 2)).astype(np.float32)

    def options(b):
        tflite.ResizeBilinearOptionsStart(b)
        tflite.ResizeBilinearOptionsAddAlignCorners(b, False)
        tflite.ResizeBilinearOptionsAddHalfPixelCenters(b, half_pixel)
        return KINDS.ResizeBilinearOptions, tflite.ResizeBilinearOptionsEnd(b)

    file = one_op(
        OPS.RESIZE_BILINEAR, [x.shape], [np.array([6, 1], np.int32)], (1, 6, 1, 2), options
    )
    at = (np.arange(6) + 0.5) / 2 - 0.5 if half_pixel else np.arange(6) / 2
    expected = np.stack([np.interp(at, np.arange(3), x[0, :, 0, c]) for c in range(2)], -1)
    np.testing.assert_allclose(run(file, x)[0, :, 0], expected, atol=1e-6)


def test_sparse_weights_are_made_dense():
    # the matrix [[0, 5, 0], [7, 0, 9]] in compressed rows, added to zero
    stored = np.array([5, 7, 9], np.float32)

    def options(b):
        tflite.AddOptionsStart(b)
        return KINDS.AddOptions, tflite.AddOptionsEnd(b)

    file = one_op(OPS.ADD, [(2, 3)], [stored], (2, 3), options,
                  sparsity=lambda b: compressed_rows(b, 2, [0, 1, 3], [1, 0, 2]),
                  sparse_shape=(2, 3))  # fmt: skip
    np.testing.assert_array_equal(run(file, np.zeros((2, 3), np.float32)), [[0, 5, 0], [7, 0, 9]])


def test_landmark_crop_matrix_puts_the_box_on_the_crop():
    # a square of side 2 around (5, 4), turned by 30 degrees; 0 and 1 lie on its upper edge
    turn = np.radians(30)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) @ axes + [5, 4]
    points = np.concatenate([corners, np.zeros((4, 1))], 1)[None].astype(np.float32)
    options = flex({
        "subset_idxs": [0, 1, 2, 3], "left_rotation_idx": 0, "right_rotation_idx": 1,
        "target_rotation_radians": 0.0, "output_width": 16, "output_height": 16,
        "scale_x": 1.5, "scale_y": 1.5,
    })  # fmt: skip
    file = one_op("Landmarks2TransformMatrix.2", [points.shape], [], (1, 4, 4),
                  custom_options=options)  # fmt: skip
    matrix = run(file, points)[0]
    centre = matrix @ [8, 8, 0, 1]
    np.testing.assert_allclose(centre[:2], [5, 4], atol=1e-5)
    # the crop is 1.5 times the box, so its corner lies 1.5 along both of the box's axes
    corner = matrix @ [16, 16, 0, 1]
    np.testing.assert_allclose(corner[:2], [5, 4] + 1.5 * axes.sum(0), atol=1e-5)


def test_crop_samples_bilinearly_and_is_zero_outside():
    # values that are a plane, so that bilinear interpolation is exact
    y, x = np.mgrid[:6, :8].astype(np.float32)
    plane = (10 + 2 * x + 3 * y)[None, ..., None]
    scale, shift = np.array([1.5, 1.2]), np.array([0.7, -0.4])
    matrix = np.eye(4, dtype=np.float32)[None].copy()
    matrix[0, 0, 0], matrix[0, 1, 1] = scale
    matrix[0, :2, 3] = shift
    file = one_op("TransformTensorBilinear.2", [plane.shape, (1, 4, 4)], [], (1, 4, 4, 1),
                  custom_options=flex({"output_height": 4, "output_width": 4}))  # fmt: skip
    out = run(file, plane, matrix)[0, ..., 0]
    for row in range(4):
        for column in range(4):
            px, py = scale * (np.array([column, row]) + 0.5) + shift - 0.5
            inside = 0 <= px <= 7 and 0 <= py <= 5
            expected = 10 + 2 * px + 3 * py if inside else 0
            assert out[row, column] == pytest.approx(expected, abs=1e-4)
    assert (out == 0).any()


def test_transposed_convolution_spreads_each_pixel(random):
    x = random.normal(size=(1, 2, 3, 2)).astype(np.float32)
    weight = random.normal(size=(1, 2, 2, 2)).astype(np.float32)  # OHWI
    bias = np.array([0.5], np.float32)
    expected = np.einsum("nhwi,oabi->nhawbo", x, weight).reshape(1, 4, 6, 1) + bias
    options = np.array([tflite.Padding.SAME, 2, 2], np.int32).tobytes()
    file = one_op("Convolution2DTransposeBias.1", [x.shape], [weight, bias], expected.shape,
                  custom_options=options)  # fmt: skip
    np.testing.assert_allclose(run(file, x), expected, atol=1e-5)


def test_unknown_op_is_named():
    file = one_op(OPS.SOFTMAX, [(1, 4)], [], (1, 4))
    with pytest.raises(UnsupportedGraphError, match="SOFTMAX"):
        convert(file)


def test_same_file_same_bytes():
    file = one_op(OPS.HARD_SWISH, [(1, 2, 2, 1)], [], (1, 2, 2, 1))
    first, second = (hashlib.sha256(convert(file)).hexdigest() for _ in range(2))
    assert first == second
