"""The speech networks as one ONNX graph, written node by node.

The graph stays small and readable, and no exporter is needed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from enliven.motion.audio import FEATURES
from enliven.motion.controls import CONTROLS
from enliven.train.articulation_net import SHARPNESS, ArticulationNet, Norm


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

    def norm(self, x: str, layer: Norm) -> str:
        inputs = [self.node("Transpose", [x], perm=[0, 2, 1]),
                  self.parameter(layer.norm.weight), self.parameter(layer.norm.bias)]  # fmt: skip
        normed = self.node("LayerNormalization", inputs, axis=-1, epsilon=layer.norm.eps)
        return self.node("Transpose", [normed], perm=[0, 2, 1])

    def part(self, x: str, start: int, stop: int, axis: int) -> str:
        ends = [self.constant(np.array([value], np.int64)) for value in (start, stop, axis)]
        return self.node("Slice", [x, *ends])

    def network(self, x: str, net: ArticulationNet) -> tuple[str, str]:
        """Controls and probability of closed lips, as `ArticulationNet.forward`."""
        for convolution, layer in zip(net.hear[:2], net.norms, strict=True):
            x = self.norm(self.silu(self.conv(x, convolution)), layer)
        x = self.silu(self.conv(x, net.hear[2]))
        for block in net.blocks:
            mixed = self.conv(self.silu(self.conv(self.norm(x, block.norm), block.mix)), block.out)
            x = self.node("Add", [self.part(x, block.dilation, -block.dilation, 2), mixed])
        x = self.conv(self.silu(self.norm(x, net.norm)), net.head)
        sharp = self.constant(np.array(SHARPNESS, np.float32))
        bent = self.node("Softplus", [self.node("Mul", [self.part(x, 0, -1, 1), sharp])])
        closed = self.node("Sigmoid", [self.part(x, -1, 2**31, 1)])
        return self.node("Div", [bent, sharp]), closed


def to_onnx(members: Sequence[ArticulationNet], settings: dict[str, str]) -> onnx.ModelProto:
    """One graph that averages the networks: "features" (1, FEATURES, F) -> "controls" (1, K, T)
    and "closed" (1, 1, T), the probability that the lips are closed.
    """
    graph = Graph()
    outputs = [graph.network("features", member) for member in members]
    for i, name in enumerate(("controls", "closed")):
        graph.nodes.append(helper.make_node("Mean", [output[i] for output in outputs], [name]))

    def signature(name: str, rows: int, columns: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, rows, columns])

    made = helper.make_graph(
        graph.nodes,
        "articulation",
        [signature("features", FEATURES, "F")],
        [signature("controls", len(CONTROLS), "T"), signature("closed", 1, "T")],
        graph.weights,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, settings)
    onnx.checker.check_model(model)
    return model
