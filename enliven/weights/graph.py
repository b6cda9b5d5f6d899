"""A TFLite graph being read and the ONNX graph being built from it.

TFLite activations are NHWC.  Every 4-D activation is held as NCHW inside the ONNX graph, with a
transpose only where the difference matters (reshape, graph inputs and outputs).  Tensors of any
other rank are the same in both.
"""

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import tflite
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Layout = Literal["nchw", "plain"]  # plain: as TFLite has it

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
NUMPY_TYPE = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}


class UnsupportedGraphError(ValueError):
    """The TFLite graph uses something the converter does not know."""


class Graph:
    """Names follow ONNX (`node`, `const`) on one side and TFLite tensor numbers on the other."""

    def __init__(self, data: bytes) -> None:
        self.model = tflite.Model.GetRootAsModel(data, 0)
        if self.model.SubgraphsLength() != 1:
            raise UnsupportedGraphError(f"{self.model.SubgraphsLength()} subgraphs; expected one")
        self.source = self.model.Subgraphs(0)
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.landmark_subsets: list[list[int]] = []  # of the attention crops, in graph order
        self.constants: dict[int, NDArray[Any]] = {}  # by tensor number, in TFLite layout
        self._values: dict[tuple[int, Layout], str] = {}
        self._count = 0
        for tensor in range(self.source.TensorsLength()):
            self._read_constant(tensor)

    def _read_constant(self, number: int) -> None:
        tensor = self.source.Tensors(number)
        raw = self.model.Buffers(tensor.Buffer())
        if not raw.DataLength():
            return
        if tensor.Type() not in NUMPY_TYPE:
            raise UnsupportedGraphError(f"constant of TFLite type {tensor.Type()}")
        values = np.frombuffer(raw.DataAsNumpy().tobytes(), NUMPY_TYPE[tensor.Type()])
        sparsity = tensor.Sparsity()
        shape = self.shape(number)
        self.constants[number] = (
            densify(values, shape, sparsity) if sparsity else values.reshape(shape)
        )

    # -- reading TFLite ------------------------------------------------------------------

    def shape(self, number: int) -> list[int]:
        tensor = self.source.Tensors(number)
        return [int(n) for n in tensor.ShapeAsNumpy()] if tensor.ShapeLength() else []

    def name(self, number: int) -> str:
        return self.source.Tensors(number).Name().decode()

    def options(self, op: Any, kind: Any) -> Any:
        """The builtin options table of an op, as the given tflite class."""
        table, options = op.BuiltinOptions(), kind()
        options.Init(table.Bytes, table.Pos)
        return options

    # -- building ONNX -------------------------------------------------------------------

    def const(self, array: Any) -> str:
        self._count += 1
        name = f"const_{self._count}"
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(
        self, kind: str, inputs: Iterable[str], output: str | None = None, **attributes: Any
    ) -> str:
        self._count += 1
        output = output or f"{kind.lower()}_{self._count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def get(self, number: int, layout: Layout = "nchw") -> str:
        """ONNX name of a TFLite tensor, transposed on first need."""
        if len(self.shape(number)) != 4:
            layout = "plain"
        if (number, layout) not in self._values:
            self._values[number, layout] = self._in_layout(number, layout)
        return self._values[number, layout]

    def _in_layout(self, number: int, layout: Layout) -> str:
        if number in self.constants:
            array = self.constants[number]
            return self.const(array.transpose(TO_NCHW) if layout == "nchw" else array)
        other = self._values[number, "plain" if layout == "nchw" else "nchw"]
        return self.node("Transpose", [other], perm=TO_NCHW if layout == "nchw" else TO_NHWC)

    def operand(self, number: int, rank: int) -> str:
        """Like `get`, with a constant brought to the rank it is broadcast to."""
        if number not in self.constants or len(self.shape(number)) == 4 or rank < 4:
            return self.get(number)
        array = self.constants[number]
        array = array.reshape((1,) * (4 - array.ndim) + array.shape)
        return self.const(array.transpose(TO_NCHW))

    def put(self, number: int, value: str, layout: Layout = "nchw") -> None:
        """Declare an ONNX value to be the TFLite tensor of this number."""
        self._values[number, layout if len(self.shape(number)) == 4 else "plain"] = value

    def put_activated(self, number: int, value: str, activation: int) -> None:
        """`put`, after the activation that TFLite fuses into the op."""
        kinds = tflite.ActivationFunctionType
        if activation == kinds.RELU:
            value = self.node("Relu", [value])
        elif activation == kinds.RELU6:
            low, high = self.const(np.float32(0)), self.const(np.float32(6))
            value = self.node("Clip", [value, low, high])
        elif activation != kinds.NONE:
            raise UnsupportedGraphError(f"fused activation {activation}")
        self.put(number, value)


def densify(values: NDArray[Any], shape: list[int], sparsity: Any) -> NDArray[Any]:
    """A dense array from TFLite's sparse storage (the TACO format, one tree level a dimension).

    Each level is dense (every index in turn) or compressed (segments and indices).  Levels past
    the rank of the tensor are the inside of blocks, tied to a dimension by the block map.
    """
    rank = len(shape)
    order = [int(n) for n in sparsity.TraversalOrderAsNumpy()]
    blocks = sparsity.BlockMapAsNumpy().tolist() if sparsity.BlockMapLength() else []
    levels = [sparsity.DimMetadata(k) for k in range(len(order))]
    # storage slots reached so far, and for each the index along every level
    slots, indices = np.zeros(1, np.int64), np.zeros((1, 0), np.int64)
    for level in levels:
        if level.Format() == tflite.DimensionType.DENSE:
            size = level.DenseSize()
            counts = np.full(len(slots), size)
            last = np.tile(np.arange(size), len(slots))
            slots = (slots[:, None] * size + np.arange(size)).ravel()
        else:
            segments, stored = _index_vector(level, "Segments"), _index_vector(level, "Indices")
            counts = segments[slots + 1] - segments[slots]
            slots = np.concatenate([np.arange(segments[s], segments[s + 1]) for s in slots])
            last = stored[slots]
        indices = np.column_stack([np.repeat(indices, counts, axis=0), last])
    position = np.zeros((len(slots), rank), np.int64)
    for column, dimension in enumerate(order):
        if dimension < rank:
            position[:, dimension] += indices[:, column] * _block_size(
                dimension, blocks, order, levels, rank
            )
        else:
            position[:, blocks[dimension - rank]] += indices[:, column]
    dense = np.zeros(shape, values.dtype)
    dense[tuple(position.T)] = values[slots]
    return dense


def _block_size(
    dimension: int, blocks: list[int], order: list[int], levels: list[Any], rank: int
) -> int:
    if dimension not in blocks:
        return 1
    return int(levels[order.index(rank + blocks.index(dimension))].DenseSize())


def _index_vector(level: Any, which: str) -> NDArray[np.int64]:
    """The array segments or indices of a compressed level; TFLite stores one of three widths."""
    kind = getattr(level, f"Array{which}Type")()
    vectors = tflite.SparseIndexVector
    classes = {
        vectors.Int32Vector: tflite.Int32Vector,
        vectors.Uint16Vector: tflite.Uint16Vector,
        vectors.Uint8Vector: tflite.Uint8Vector,
    }
    if kind not in classes:
        raise UnsupportedGraphError(f"sparse index vector of type {kind}")
    table, vector = getattr(level, f"Array{which}")(), classes[kind]()
    vector.Init(table.Bytes, table.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
