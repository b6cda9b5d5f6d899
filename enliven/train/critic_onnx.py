"""The pairs of networks of the sync critic as one ONNX graph."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper
from torch import nn

from enliven.metrics.critic import BANDS, MEASURES, PICTURE
from enliven.train.critic_net import Block, Ear, LipReader, MouthReader, Pair
from enliven.train.onnx_graph import Graph

# How much a member counts by what it sees: pixels carry over less well to other people.
TRUST = {"lips": 1.0, "mouths": 0.5}


def _conv(graph: Graph, x: str, layer: nn.Conv1d | nn.Conv2d) -> str:
    assert layer.bias is not None
    assert not isinstance(layer.padding, str)
    inputs = [x, graph.parameter(layer.weight), graph.parameter(layer.bias)]
    pads = [int(pad) for pad in layer.padding] * 2
    return graph.node("Conv", inputs, strides=list(layer.stride), dilations=list(layer.dilation),
                      pads=pads)  # fmt: skip


def _norm(graph: Graph, x: str, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> str:
    """A batch norm that has learned, as a factor and a shift of each channel."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    factor = layer.weight / (layer.running_var + layer.eps).sqrt()
    shift = layer.bias - layer.running_mean * factor
    shape = (1, -1) + (1,) * (1 if isinstance(layer, nn.BatchNorm1d) else 2)
    scaled = graph.node(
        "Mul", [x, graph.constant(factor.detach().numpy().reshape(shape).astype(np.float32))]
    )
    return graph.node(
        "Add", [scaled, graph.constant(shift.detach().numpy().reshape(shape).astype(np.float32))]
    )


def _block(graph: Graph, x: str, block: Block) -> str:
    mixed = graph.silu(_conv(graph, _norm(graph, x, block.norm), block.mix))
    return graph.node("Add", [x, _conv(graph, mixed, block.out)])


def _ear(graph: Graph, x: str, ear: Ear) -> str:
    x = graph.silu(_conv(graph, x, ear.first))
    for layer in ear.halve:
        assert isinstance(layer, nn.Conv1d)
        x = graph.silu(_conv(graph, x, layer))
    for block in ear.blocks:
        assert isinstance(block, Block)
        x = _block(graph, x, block)
    return _conv(graph, x, ear.out)


def _lips(graph: Graph, x: str, eye: LipReader) -> str:
    seen = _block(graph, graph.silu(_conv(graph, x, eye.first)), eye.block)
    return graph.node("Add", [_conv(graph, x, eye.straight), _conv(graph, seen, eye.out)])


def _mouths(graph: Graph, x: str, eye: MouthReader) -> str:
    x = graph.reshape(x, -1, 1, *PICTURE)
    for layer, norm in zip(eye.see[:2], eye.norms, strict=True):
        assert isinstance(layer, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        x = graph.silu(_norm(graph, _conv(graph, x, layer), norm))
    last = eye.see[2]
    assert isinstance(last, nn.Conv2d)
    x = graph.reshape(graph.silu(_conv(graph, x, last)), 1, -1, eye.flat.in_channels)
    x = graph.node("Transpose", [x], perm=[0, 2, 1])
    x = graph.silu(_norm(graph, _conv(graph, x, eye.flat), eye.norm))
    return _conv(graph, graph.node("Add", [x, graph.silu(_conv(graph, x, eye.time))]), eye.out)


def to_onnx(
    members: Sequence[Pair], spreads: Sequence[tuple[float, float]], settings: dict[str, str]
) -> onnx.ModelProto:
    """One graph: "bands" (1, B, 4 N), "lips" (1, G, T), "mouths" (1, T, *PICTURE) -> "heard"
    (1, M K, N), "seen" (1, M K, T).

    spreads: of what each member says of voices and of lips; the graph's own is 1.
    """
    graph = Graph()
    heard, seen = [], []
    for member, (loud, wide) in zip(members, spreads, strict=True):
        eye = member.eye
        if isinstance(eye, LipReader):
            lips = _lips(graph, "lips", eye)
        else:
            assert isinstance(eye, MouthReader)
            lips = _mouths(graph, "mouths", eye)
        voice = _ear(graph, "bands", member.ear)
        heard.append(graph.node("Div", [voice, graph.number(loud)]))
        seen.append(graph.node("Div", [lips, graph.number(wide)]))
    for name, parts in (("heard", heard), ("seen", seen)):
        graph.nodes.append(helper.make_node("Concat", parts, [name], axis=1))
    width = len(members) * members[0].ear.out.out_channels
    return graph.model(
        "critic",
        {"bands": [1, BANDS, "R"], "lips": [1, MEASURES, "T"], "mouths": [1, "T", *PICTURE]},
        {"heard": [1, width, "N"], "seen": [1, width, "T"]},
        settings | {"trust": " ".join(str(TRUST[member.sees]) for member in members)},
    )
