"""The performer as an ONNX graph: "x", "t", "heard", "asked" -> "velocity"."""

import math

import numpy as np
import onnx

from enliven.motion.chunks import BEFORE, CONDITIONS, HEARD
from enliven.motion.latent import LATENT
from enliven.train.onnx_graph import Graph
from enliven.train.performer_net import FRAMES, Block, PerformerNet, time_rates


def _chunks(graph: Graph, x: str, count: int, width: int) -> list[str]:
    """Equal parts of the last axis of (B, 1, count * width)."""
    return [graph.part(x, i * width, (i + 1) * width, 2) for i in range(count)]


def _modulated(graph: Graph, x: str, move: str, scale: str) -> str:
    return graph.node("Add", [graph.node("Mul", [x, graph.node("Add", [scale, graph.number(1)])]),
                              move])  # fmt: skip


def _attention(graph: Graph, x: str, block: Block, width: int) -> str:
    heads, deep = block.heads, width // block.heads
    parts = graph.reshape(graph.linear(x, block.mix), 0, FRAMES, 3, heads, deep)
    parts = graph.node("Transpose", [parts], perm=[2, 0, 3, 1, 4])
    query, key, value = (
        graph.reshape(graph.part(parts, i, i + 1, 0), -1, heads, FRAMES, deep) for i in range(3)
    )
    turned = graph.node("Transpose", [key], perm=[0, 1, 3, 2])
    likeness = graph.node("Mul", [graph.node("MatMul", [query, turned]),
                                  graph.number(1 / math.sqrt(deep))])  # fmt: skip
    mixed = graph.node("MatMul", [graph.node("Softmax", [likeness], axis=-1), value])
    mixed = graph.node("Transpose", [mixed], perm=[0, 2, 1, 3])
    return graph.linear(graph.reshape(mixed, 0, FRAMES, width), block.out)


def _block(graph: Graph, x: str, time: str, block: Block, width: int) -> str:
    move1, scale1, gate1, move2, scale2, gate2 = _chunks(
        graph, graph.linear(time, block.modulate), 6, width
    )
    seen = _modulated(graph, graph.norm(x, block.norm1), move1, scale1)
    mixed = _attention(graph, seen, block, width)
    x = graph.node("Add", [x, graph.node("Mul", [gate1, mixed])])
    seen = _modulated(graph, graph.norm(x, block.norm2), move2, scale2)
    made = graph.linear(graph.silu(graph.linear(seen, block.widen)), block.narrow)
    return graph.node("Add", [x, graph.node("Mul", [gate2, made])])


def to_onnx(net: PerformerNet, settings: dict[str, str]) -> onnx.ModelProto:
    """`PerformerNet.forward`: x (B, N, D), t (B, 1, 1), heard, asked -> "velocity" (B, N, D)."""
    graph, width = Graph(), net.shape.width
    angle = graph.node("Mul", ["t", graph.constant(time_rates().numpy()[None, None])])
    waves = graph.node("Concat", [graph.node("Sin", [angle]), graph.node("Cos", [angle])], axis=2)
    time = graph.linear(graph.silu(graph.linear(waves, net.time[0])), net.time[2])
    manner = graph.node("ReduceMean", ["asked"], axes=[1], keepdims=1)
    time = graph.silu(graph.node("Add", [time, graph.linear(manner, net.manner)]))

    # the column that says which frames are given is the same for every window
    weight = net.enter.weight
    given = np.zeros((1, FRAMES, 1), np.float32)
    given[:, :BEFORE] = 1
    token = graph.node("MatMul", ["x", graph.parameter(weight[:, :-1].T)])
    mark = graph.node("Mul", [graph.constant(given), graph.parameter(weight[:, -1])])
    parts = [mark, graph.parameter(net.enter.bias), graph.linear("heard", net.listen),
             graph.linear("asked", net.obey), graph.parameter(net.place)]  # fmt: skip
    for part in parts:
        token = graph.node("Add", [token, part])
    for block in net.blocks:
        assert isinstance(block, Block)
        token = _block(graph, token, time, block, width)
    move, scale = _chunks(graph, graph.linear(time, net.modulate), 2, width)
    made = graph.linear(_modulated(graph, graph.norm(token, net.norm), move, scale), net.leave)
    graph.nodes[-1].output[0] = "velocity"
    assert made
    columns = {"x": len(LATENT), "heard": HEARD, "asked": CONDITIONS}
    inputs = {name: ["B", FRAMES, count] for name, count in columns.items()}
    return graph.model("performer", inputs | {"t": ["B", 1, 1]},
                       {"velocity": ["B", FRAMES, len(LATENT)]}, settings)  # fmt: skip
