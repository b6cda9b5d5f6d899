"""Writes TFLite files of one op, to test the converter on graphs whose result is known."""

from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import tflite
from flatbuffers import flexbuffers

TYPES = {
    np.dtype(np.float32): tflite.TensorType.FLOAT32,
    np.dtype(np.float16): tflite.TensorType.FLOAT16,
    np.dtype(np.int32): tflite.TensorType.INT32,
}


def one_op(
    op: int | str,
    inputs: Sequence[Sequence[int]],
    constants: Sequence[np.ndarray],
    output: Sequence[int],
    options: Callable[[flatbuffers.Builder], tuple[int, int]] | None = None,
    custom_options: bytes | None = None,
    sparsity: Callable[[flatbuffers.Builder], int] | None = None,
    sparse_shape: Sequence[int] | None = None,
) -> bytes:
    """A TFLite file: `output` (a shape) = op(*inputs (shapes, float32), *constants).

    op: number of a builtin op, or the name of a custom op with its version as ``name.2``.
    options: writes the builtin options, gives (their type, offset).
    sparsity: writes the sparsity of the last constant, whose dense shape is sparse_shape.
    """
    b = flatbuffers.Builder(1024)
    blobs = [b"", *(np.ascontiguousarray(c).tobytes() for c in constants)]
    buffers = _vector(b, [_buffer(b, blob) for blob in blobs])
    tensors = [_tensor(b, f"in{i}", shape, np.float32, 0) for i, shape in enumerate(inputs)]
    for i, constant in enumerate(constants):
        last = sparsity is not None and i == len(constants) - 1
        shape = sparse_shape if last and sparse_shape else constant.shape
        sparse = sparsity(b) if last and sparsity else None
        tensors.append(_tensor(b, f"const{i}", shape, constant.dtype, i + 1, sparse))
    tensors.append(_tensor(b, "out", output, np.float32, 0))
    count = len(tensors)
    tensor_list = _vector(b, tensors)
    operators = _vector(b, [_operator(b, range(count - 1), [count - 1], options, custom_options)])
    graph_inputs, graph_outputs = _ints(b, range(len(inputs))), _ints(b, [count - 1])
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensor_list)
    tflite.SubGraphAddInputs(b, graph_inputs)
    tflite.SubGraphAddOutputs(b, graph_outputs)
    tflite.SubGraphAddOperators(b, operators)
    subgraphs = _vector(b, [tflite.SubGraphEnd(b)])
    codes = _vector(b, [_code(b, op)])
    tflite.ModelStart(b)
    tflite.ModelAddVersion(b, 3)
    tflite.ModelAddOperatorCodes(b, codes)
    tflite.ModelAddSubgraphs(b, subgraphs)
    tflite.ModelAddBuffers(b, buffers)
    b.Finish(tflite.ModelEnd(b), b"TFL3")
    return bytes(b.Output())


def flex(values: dict[str, Any]) -> bytes:
    """Custom options as MediaPipe writes them."""
    return bytes(flexbuffers.Dumps(values))


def compressed_rows(
    b: flatbuffers.Builder, rows: int, segments: Sequence[int], columns: Sequence[int]
) -> int:
    """Sparsity of a matrix whose rows are dense and whose columns are compressed (CSR)."""
    tables = []
    for values in (segments, columns):
        vector = _ints(b, values)
        tflite.Int32VectorStart(b)
        tflite.Int32VectorAddValues(b, vector)
        tables.append(tflite.Int32VectorEnd(b))
    tflite.DimensionMetadataStart(b)
    tflite.DimensionMetadataAddFormat(b, tflite.DimensionType.DENSE)
    tflite.DimensionMetadataAddDenseSize(b, rows)
    dense = tflite.DimensionMetadataEnd(b)
    tflite.DimensionMetadataStart(b)
    tflite.DimensionMetadataAddFormat(b, tflite.DimensionType.SPARSE_CSR)
    tflite.DimensionMetadataAddArraySegmentsType(b, tflite.SparseIndexVector.Int32Vector)
    tflite.DimensionMetadataAddArraySegments(b, tables[0])
    tflite.DimensionMetadataAddArrayIndicesType(b, tflite.SparseIndexVector.Int32Vector)
    tflite.DimensionMetadataAddArrayIndices(b, tables[1])
    levels = _vector(b, [dense, tflite.DimensionMetadataEnd(b)])
    order = _ints(b, [0, 1])
    tflite.SparsityParametersStart(b)
    tflite.SparsityParametersAddTraversalOrder(b, order)
    tflite.SparsityParametersAddDimMetadata(b, levels)
    return int(tflite.SparsityParametersEnd(b))


def _buffer(b: flatbuffers.Builder, blob: bytes) -> int:
    data = b.CreateByteVector(blob) if blob else None
    tflite.BufferStart(b)
    if data is not None:
        tflite.BufferAddData(b, data)
    return int(tflite.BufferEnd(b))


def _tensor(
    b: flatbuffers.Builder,
    name: str,
    shape: Sequence[int],
    dtype: Any,
    buffer: int,
    sparsity: int | None = None,
) -> int:
    text, dims = b.CreateString(name), _ints(b, shape)
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, dims)
    tflite.TensorAddType(b, TYPES[np.dtype(dtype)])
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, text)
    if sparsity is not None:
        tflite.TensorAddSparsity(b, sparsity)
    return int(tflite.TensorEnd(b))


def _operator(
    b: flatbuffers.Builder,
    inputs: Sequence[int],
    outputs: Sequence[int],
    options: Callable[[flatbuffers.Builder], tuple[int, int]] | None,
    custom_options: bytes | None,
) -> int:
    kind, table = options(b) if options else (0, 0)
    custom = b.CreateByteVector(custom_options) if custom_options else None
    ins, outs = _ints(b, inputs), _ints(b, outputs)
    tflite.OperatorStart(b)
    tflite.OperatorAddInputs(b, ins)
    tflite.OperatorAddOutputs(b, outs)
    if table:
        tflite.OperatorAddBuiltinOptionsType(b, kind)
        tflite.OperatorAddBuiltinOptions(b, table)
    if custom is not None:
        tflite.OperatorAddCustomOptions(b, custom)
    return int(tflite.OperatorEnd(b))


def _code(b: flatbuffers.Builder, op: int | str) -> int:
    name, version = op.split(".") if isinstance(op, str) else ("", "1")
    text = b.CreateString(name) if name else None
    number = tflite.BuiltinOperator.CUSTOM if text else op
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddBuiltinCode(b, number)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(int(number), 127))
    tflite.OperatorCodeAddVersion(b, int(version))
    if text is not None:
        tflite.OperatorCodeAddCustomCode(b, text)
    return int(tflite.OperatorCodeEnd(b))


def _vector(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _ints(b: flatbuffers.Builder, values: Sequence[int]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(list(values)):
        b.PrependInt32(int(value))
    return int(b.EndVector())
