"""ONNX graphs written node by node: they stay small and readable, and no exporter is needed."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn


class Graph:
    """Nodes and weights of a graph in the making; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, value: NDArray) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def parameter(self, tensor: Tensor) -> str:
        """A trained weight, stored in half precision and widened when loaded."""
        stored = self.constant(tensor.detach().numpy().astype(np.float16))
        return self.node("Cast", [stored], to=TensorProto.FLOAT)

    def conv(self, x: str, layer: nn.Conv1d) -> str:
        assert layer.bias is not None
        inputs = [x, self.parameter(layer.weight), self.parameter(layer.bias)]
        return self.node("Conv", inputs, strides=list(layer.stride), dilations=list(layer.dilation))

    def silu(self, x: str) -> str:
        return self.node("Mul", [x, self.node("Sigmoid", [x])])

    def linear(self, x: str, layer: nn.Linear) -> str:
        """x (..., in) -> (..., out)."""
        made = self.node("MatMul", [x, self.parameter(layer.weight.T)])
        return made if layer.bias is None else self.node("Add", [made, self.parameter(layer.bias)])

    def norm(self, x: str, layer: nn.LayerNorm) -> str:
        """Over the last axis."""
        width = layer.normalized_shape[0]
        # as 32-bit constants: a norm without parameters is all ones, which need no widening
        weight = np.ones(width, np.float32)
        inputs = [
            x,
            self.constant(weight) if layer.weight is None else self.parameter(layer.weight),
        ]
        if layer.bias is not None:
            inputs.append(self.parameter(layer.bias))
        return self.node("LayerNormalization", inputs, axis=-1, epsilon=layer.eps)

    def number(self, value: float) -> str:
        return self.constant(np.array(value, np.float32))

    def reshape(self, x: str, *shape: int) -> str:
        """0 keeps a length, -1 takes what is left."""
        return self.node("Reshape", [x, self.constant(np.array(shape, np.int64))])

    def part(self, x: str, start: int, stop: int, axis: int) -> str:
        ends = [self.constant(np.array([value], np.int64)) for value in (start, stop, axis)]
        return self.node("Slice", [x, *ends])

    def model(self, name: str, inputs: dict[str, list[Any]], outputs: dict[str, list[Any]],
              settings: dict[str, str]) -> onnx.ModelProto:  # fmt: skip
        """The finished model; inputs and outputs by name with their shapes."""

        def declared(sides: dict[str, list[Any]]) -> list[onnx.ValueInfoProto]:
            kind = TensorProto.FLOAT
            return [helper.make_tensor_value_info(key, kind, shape) for key, shape in sides.items()]

        made = helper.make_graph(
            self.nodes, name, declared(inputs), declared(outputs), self.weights
        )
        model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, settings)
        onnx.checker.check_model(model)
        return model
