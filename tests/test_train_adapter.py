"""Adapters, the weights that are trained, and their copies."""

import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install enliven[train]")
from torch import nn  # noqa: E402

from enliven.errors import BadOption  # noqa: E402
from enliven.train.adapter import (  # noqa: E402
    Adapting,
    adapt,
    copied,
    holding,
    merged_state,
    trained,
    unadapted,
)

ADAPTING = Adapting(rank=2, alpha=4.0)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.SiLU(), nn.Sequential(nn.Linear(7, 4, bias=False)),
                         nn.LayerNorm(4))  # fmt: skip


def learned() -> nn.Module:
    net = network()
    adapt(net, ADAPTING)
    for weight in trained(net).values():
        nn.init.normal_(weight, std=0.3)
    return net


def test_an_adapter_switched_off_is_what_was_there_before() -> None:
    x = torch.randn(9, 5)
    before, net = network()(x), learned()
    with unadapted(net):
        assert torch.equal(net(x), before)
    assert not torch.allclose(net(x), before)
    fresh = network()
    adapt(fresh, ADAPTING)
    assert torch.equal(fresh(x), before)


def test_only_adapters_are_trained() -> None:
    net = network()
    adapt(net, Adapting(2, 4.0, ("0",)))
    assert set(trained(net)) == {"0.down", "0.up", "2.0.down", "2.0.up"}
    net = network()
    adapt(net, Adapting(2, 4.0, ("2.",)))
    assert set(trained(net)) == {"2.0.down", "2.0.up"}
    full = network()
    adapt(full, Adapting())
    assert set(trained(full)) == set(dict(full.named_parameters()))
    with pytest.raises(BadOption, match="no linear layer is named attention"):
        adapt(network(), Adapting(2, 4.0, ("attention",)))


def test_their_first_weights_depend_on_the_seed_alone() -> None:
    made = []
    for seed, other in ((3, 1), (3, 2), (4, 1)):
        torch.manual_seed(other)
        net = network()
        adapt(net, ADAPTING, seed)
        made.append(trained(net)["0.down"])
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


def test_merged_weights_compute_the_same_in_the_plain_network() -> None:
    net, plain, x = learned(), network(), torch.randn(9, 5)
    plain.load_state_dict(merged_state(net))
    torch.testing.assert_close(plain(x), net(x))
    assert set(merged_state(network())) == set(network().state_dict())


def test_held_weights_go_back_and_keep_gradients() -> None:
    net, x = learned(), torch.randn(9, 5)
    others = {name: torch.zeros_like(value) for name, value in trained(net).items()}
    expected = net(x).detach()
    loss = net(x).sum()
    with holding(net, others), torch.no_grad():
        assert torch.equal(net(x), network()(x))
    assert torch.equal(net(x), expected)
    loss.backward()  # weights were exchanged in between
    alone = learned()
    alone(x).sum().backward()
    for a, b in zip(trained(net).values(), trained(alone).values(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    kept = copied(trained(net))
    with pytest.raises(RuntimeError), holding(net, others):
        raise RuntimeError
    for name, value in trained(net).items():
        assert torch.equal(value, kept[name])


def test_ranks_that_make_no_sense_are_refused() -> None:
    for wrong in ({"rank": -1}, {"rank": 4}, {"rank": 4, "alpha": -1.0}):
        with pytest.raises(BadOption):
            Adapting(**wrong)
