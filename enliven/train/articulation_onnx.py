"""The articulation networks as one ONNX graph."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from enliven.motion.controls import CONTROLS
from enliven.train.articulation_net import SHARPNESS, ArticulationNet, Norm
from enliven.train.onnx_graph import Graph


def _norm(graph: Graph, x: str, layer: Norm) -> str:
    normed = graph.norm(graph.node("Transpose", [x], perm=[0, 2, 1]), layer.norm)
    return graph.node("Transpose", [normed], perm=[0, 2, 1])


def _network(graph: Graph, x: str, net: ArticulationNet) -> tuple[str, str]:
    """Controls and probability of closed lips, as `ArticulationNet.forward`."""
    for convolution, layer in zip(net.hear[:2], net.norms, strict=True):
        x = _norm(graph, graph.silu(graph.conv(x, convolution)), layer)
    x = graph.silu(graph.conv(x, net.hear[2]))
    for block in net.blocks:
        mixed = graph.conv(
            graph.silu(graph.conv(_norm(graph, x, block.norm), block.mix)), block.out
        )
        x = graph.node("Add", [graph.part(x, block.dilation, -block.dilation, 2), mixed])
    x = graph.conv(graph.silu(_norm(graph, x, net.norm)), net.head)
    sharp = graph.constant(np.array(SHARPNESS, np.float32))
    bent = graph.node("Softplus", [graph.node("Mul", [graph.part(x, 0, -1, 1), sharp])])
    closed = graph.node("Sigmoid", [graph.part(x, -1, 2**31, 1)])
    return graph.node("Div", [bent, sharp]), closed


def to_onnx(members: Sequence[ArticulationNet], settings: dict[str, str]) -> onnx.ModelProto:
    """One graph that averages the networks: "features" (1, E, F) -> "controls" (1, K, T)
    and "closed" (1, 1, T), the probability that the lips are closed.
    """
    graph = Graph()
    outputs = [_network(graph, "features", member) for member in members]
    for i, name in enumerate(("controls", "closed")):
        graph.nodes.append(helper.make_node("Mean", [output[i] for output in outputs], [name]))

    return graph.model(
        "articulation",
        {"features": [1, members[0].hear[0].in_channels, "F"]},
        {"controls": [1, len(CONTROLS), "T"], "closed": [1, 1, "T"]},
        settings,
    )
