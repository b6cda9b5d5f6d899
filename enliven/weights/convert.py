"""TFLite -> ONNX for the MediaPipe face graphs, so that one runtime serves every network.

Covers the float ops of face detection, the attention face mesh, person segmentation and the pose
graphs; the custom ops are in `enliven.weights.custom_ops`.  Inputs and outputs of the ONNX model
keep TFLite's names, shapes and NHWC layout.  The same input gives the same bytes.
"""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import tflite
from onnx import TensorProto, helper

from enliven.weights import custom_ops
from enliven.weights.graph import TO_NCHW, Graph, UnsupportedGraphError

OPSET, IR_VERSION = 17, 8  # read by every onnxruntime since 1.12

OP_NAME = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}

Emit = Callable[[Graph, Any, list[int], int], None]  # graph, op, input tensors, output tensor


def convert(data: bytes) -> bytes:
    """A serialised ONNX model that computes what the TFLite model `data` computes.

    Raises UnsupportedGraphError when the graph holds an op or option outside the known set.
    """
    graph = Graph(data)
    inputs = [int(i) for i in graph.source.InputsAsNumpy()]
    outputs = [int(i) for i in graph.source.OutputsAsNumpy()]
    for number in inputs:
        graph.put(number, graph.name(number), "plain")
    for k in range(graph.source.OperatorsLength()):
        op = graph.source.Operators(k)
        kind = _kind(graph, op)
        if kind not in EMITTERS:
            raise UnsupportedGraphError(f"TFLite op {kind}")
        EMITTERS[kind](graph, op, [int(i) for i in op.InputsAsNumpy()], int(op.Outputs(0)))
    for number in outputs:
        graph.node("Identity", [graph.get(number, "plain")], graph.name(number))
    return _serialise(graph, inputs, outputs)


def _kind(graph: Graph, op: Any) -> str:
    code = graph.model.OperatorCodes(op.OpcodeIndex())
    # files older than 2020 hold the op number in the deprecated one-byte field only
    kind = OP_NAME[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
    return f"{code.CustomCode().decode()}.{code.Version()}" if kind == "CUSTOM" else kind


def _serialise(graph: Graph, inputs: list[int], outputs: list[int]) -> bytes:
    def value_info(number: int) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(
            graph.name(number), TensorProto.FLOAT, graph.shape(number)
        )

    body = helper.make_graph(
        graph.nodes,
        "enliven",
        [value_info(i) for i in inputs],
        [value_info(i) for i in outputs],
        graph.initializers,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    if graph.landmark_subsets:
        helper.set_model_props(model, {"landmark_subsets": json.dumps(graph.landmark_subsets)})
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


# -- weights -----------------------------------------------------------------------------


def _dequantize(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    graph.constants[out] = graph.constants[ins[0]].astype(np.float32)  # stored as float16


def _densify(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    graph.constants[out] = graph.constants[ins[0]]  # was made dense when it was read


# -- convolution and pooling -------------------------------------------------------------


def _same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """TensorFlow's SAME padding of one axis: before and after, the odd pixel after."""
    wanted = (math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1
    total = max(wanted - size, 0)
    return total // 2, total - total // 2


def _window(
    graph: Graph, number: int, o: Any, kernel: tuple[int, int], dilations: tuple[int, int]
) -> dict[str, Any]:
    """ONNX attributes of a sliding window over a tensor."""
    _, height, width, _ = graph.shape(number)
    strides = [o.StrideH(), o.StrideW()]
    pads = [(0, 0), (0, 0)]
    if o.Padding() == tflite.Padding.SAME:
        pads = [
            _same_padding(*axis)
            for axis in zip((height, width), kernel, strides, dilations, strict=True)
        ]
    return {"kernel_shape": list(kernel), "strides": strides,
            "pads": [pads[0][0], pads[1][0], pads[0][1], pads[1][1]]}  # fmt: skip


def _convolution(depthwise: bool) -> Emit:
    def emit(graph: Graph, op: Any, ins: list[int], out: int) -> None:
        kind = tflite.DepthwiseConv2DOptions if depthwise else tflite.Conv2DOptions
        o = graph.options(op, kind)
        # OHWI -> OIHW, and 1HWO -> O1HW
        weight = graph.constants[ins[1]].transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        dilations = (o.DilationHFactor(), o.DilationWFactor())
        window = _window(graph, ins[0], o, weight.shape[2:], dilations)
        inputs = [graph.get(ins[0]), graph.const(weight), graph.const(graph.constants[ins[2]])]
        group = graph.shape(ins[0])[3] if depthwise else 1
        value = graph.node("Conv", inputs, group=group, dilations=dilations, **window)
        graph.put_activated(out, value, o.FusedActivationFunction())

    return emit


def _pool(kind: str) -> Emit:
    def emit(graph: Graph, op: Any, ins: list[int], out: int) -> None:
        o = graph.options(op, tflite.Pool2DOptions)
        window = _window(graph, ins[0], o, (o.FilterHeight(), o.FilterWidth()), (1, 1))
        value = graph.node(kind, [graph.get(ins[0])], **window)
        graph.put_activated(out, value, o.FusedActivationFunction())

    return emit


# -- element by element ------------------------------------------------------------------


def _unary(kind: str) -> Emit:
    def emit(graph: Graph, op: Any, ins: list[int], out: int) -> None:
        graph.put(out, graph.node(kind, [graph.get(ins[0])]))

    return emit


def _binary(kind: str, options: Any) -> Emit:
    def emit(graph: Graph, op: Any, ins: list[int], out: int) -> None:
        rank = len(graph.shape(out))
        value = graph.node(kind, [graph.operand(i, rank) for i in ins])
        graph.put_activated(out, value, graph.options(op, options).FusedActivationFunction())

    return emit


def _prelu(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    # slope x + (1 - slope) relu(x), the factors as depthwise 1x1 convolutions: the PRelu of
    # onnxruntime is slow and breaks its blocked layout; this more than halves the total time.
    x, slope = graph.get(ins[0]), graph.constants[ins[1]].ravel()

    def scaled(value: str, factor: np.ndarray) -> str:
        weight = graph.const(factor.reshape(-1, 1, 1, 1))
        return graph.node("Conv", [value, weight], group=len(factor), kernel_shape=[1, 1])

    positive = scaled(graph.node("Relu", [x]), 1 - slope)
    graph.put(out, graph.node("Add", [scaled(x, slope), positive]))


# -- shape -------------------------------------------------------------------------------


def _pad(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    pads = graph.constants[ins[1]].astype(np.int64)  # one (before, after) row for each axis
    x = graph.get(ins[0])
    if len(pads) == 4 and not pads[:3].any():
        # channels only: a 1x1 convolution keeps the blocked layout
        weight = np.eye(graph.shape(out)[3], graph.shape(ins[0])[3], -pads[3, 0], np.float32)
        weight = weight[:, :, None, None]
        graph.put(out, graph.node("Conv", [x, graph.const(weight)], kernel_shape=[1, 1]))
        return
    pads = pads[list(TO_NCHW)] if len(pads) == 4 else pads
    graph.put(out, graph.node("Pad", [x, graph.const(pads.T.reshape(-1))]))


def _concatenation(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    o = graph.options(op, tflite.ConcatenationOptions)
    rank = len(graph.shape(out))
    axis = TO_NCHW.index(o.Axis() % 4) if rank == 4 else o.Axis()
    value = graph.node("Concat", [graph.get(i) for i in ins], axis=axis)
    graph.put_activated(out, value, o.FusedActivationFunction())


def _reshape(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    shape = graph.shape(ins[0])
    one_pixel = len(shape) == 4 and shape[1] == shape[2] == 1  # both layouts read the same
    value = graph.get(ins[0], "nchw" if one_pixel else "plain")
    target = graph.const(np.array(graph.shape(out), np.int64))
    graph.put(out, graph.node("Reshape", [value, target]), "plain")


def _strided_slice(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    o = graph.options(op, tflite.StridedSliceOptions)
    if o.EllipsisMask() or o.NewAxisMask() or o.ShrinkAxisMask():
        raise UnsupportedGraphError("strided slice that changes the rank")
    begin, end, step = (graph.constants[i].astype(np.int64) for i in ins[1:])
    axes = np.arange(len(begin))
    begin = np.where(o.BeginMask() >> axes & 1, 0, begin)
    end = np.where(o.EndMask() >> axes & 1, np.iinfo(np.int64).max, end)
    arguments = [graph.const(a) for a in (begin, end, axes.astype(np.int64), step)]
    graph.put(out, graph.node("Slice", [graph.get(ins[0], "plain"), *arguments]), "plain")


def _resize_bilinear(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    o = graph.options(op, tflite.ResizeBilinearOptions)
    mode = ("align_corners" if o.AlignCorners()
            else "half_pixel" if o.HalfPixelCenters() else "asymmetric")  # fmt: skip
    n, height, width, channels = graph.shape(out)
    sizes = graph.const(np.array([n, channels, height, width], np.int64))
    graph.put(out, graph.node("Resize", [graph.get(ins[0]), "", "", sizes], mode="linear",
                              coordinate_transformation_mode=mode))  # fmt: skip


def _depth_to_space(graph: Graph, op: Any, ins: list[int], out: int) -> None:
    size = graph.options(op, tflite.DepthToSpaceOptions).BlockSize()
    x = graph.get(ins[0])
    graph.put(out, graph.node("DepthToSpace", [x], blocksize=size, mode="DCR"))


EMITTERS: dict[str, Emit] = {
    "DEQUANTIZE": _dequantize,
    "DENSIFY": _densify,
    "CONV_2D": _convolution(depthwise=False),
    "DEPTHWISE_CONV_2D": _convolution(depthwise=True),
    "MAX_POOL_2D": _pool("MaxPool"),
    "AVERAGE_POOL_2D": _pool("AveragePool"),
    "RELU": _unary("Relu"),
    "LOGISTIC": _unary("Sigmoid"),
    "HARD_SWISH": _unary("HardSwish"),
    "PRELU": _prelu,
    "ADD": _binary("Add", tflite.AddOptions),
    "MUL": _binary("Mul", tflite.MulOptions),
    "PAD": _pad,
    "CONCATENATION": _concatenation,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "RESIZE_BILINEAR": _resize_bilinear,
    "DEPTH_TO_SPACE": _depth_to_space,
    "Landmarks2TransformMatrix.2": custom_ops.landmarks_to_matrix,
    "TransformTensorBilinear.2": custom_ops.transform_bilinear,
    "TransformLandmarks.2": custom_ops.transform_landmarks,
    "Convolution2DTransposeBias.1": custom_ops.transposed_convolution,
}
