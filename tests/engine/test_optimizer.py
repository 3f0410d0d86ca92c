"""The learning rate as a function of the epoch, and what AdamW decays."""

import pytest
from torch import nn

from mos.engine.optimizer import learning_rate_at, make_optimizer

PLAIN = {"peak": 1.0, "warmup_epochs": 2.0, "schedule_epochs": 10}


@pytest.mark.parametrize("kind", ["cosine", "poly", "constant", "multistep"])
def test_warm_up_climbs_from_a_tenth_to_the_peak(kind):
    given = PLAIN | {"kind": kind, "parameter": (6.0,) if kind == "multistep" else ()}
    assert learning_rate_at(0, **given) == pytest.approx(0.1)
    assert learning_rate_at(1, **given) == pytest.approx(0.55)
    assert learning_rate_at(2, **given) == pytest.approx(1)


def test_without_warm_up_it_begins_at_the_peak():
    assert learning_rate_at(0, peak=3.0, warmup_epochs=0, schedule_epochs=10) == pytest.approx(3)


@pytest.mark.parametrize("kind", ["cosine", "poly"])
def test_it_falls_to_the_floor_and_never_below(kind):
    rates = [learning_rate_at(e / 4, **PLAIN, kind=kind, floor=0.05) for e in range(8, 80)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == min(rates) == pytest.approx(0.05)
    assert learning_rate_at(10, **PLAIN, kind=kind, floor=0.05) == pytest.approx(0.05)


def test_half_way_the_cosine_is_half_way_between_peak_and_floor():
    assert learning_rate_at(6, **PLAIN, kind="cosine", floor=0.2) == pytest.approx(0.6)


def test_poly_takes_its_exponent():
    assert learning_rate_at(6, **PLAIN, kind="poly", parameter=(2.0,), floor=0) == pytest.approx(
        0.25
    )
    assert learning_rate_at(6, **PLAIN, kind="poly", floor=0) == pytest.approx(0.5**0.9)


def test_multistep_steps_at_its_milestones():
    given = PLAIN | {"kind": "multistep", "parameter": (4.0, 8.0), "gamma": 0.1}
    rates = [learning_rate_at(epoch, **given) for epoch in (3.99, 4, 7.99, 8, 30)]
    assert rates == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("kind", ["cosine", "poly", "constant", "multistep"])
def test_extending_a_finished_run_never_makes_the_rate_jump(kind):
    given = PLAIN | {"kind": kind, "parameter": (4.0,) if kind == "multistep" else ()}
    end = learning_rate_at(9.999, **given)
    beyond = [learning_rate_at(10 + step / 7, **given) for step in range(100)]
    assert max(beyond) == min(beyond) == pytest.approx(end, abs=1e-3)


def test_a_warm_up_longer_than_the_schedule_still_gives_a_rate():
    assert learning_rate_at(3, peak=1.0, warmup_epochs=5, schedule_epochs=3) == pytest.approx(0.64)
    assert learning_rate_at(9, peak=1.0, warmup_epochs=5, schedule_epochs=3) <= 1


def test_norms_and_biases_are_not_decayed_and_every_parameter_is_learnt_once():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.PReLU(), nn.Conv2d(4, 2, 1))
    decay = {
        id(p): group["weight_decay"]
        for group in make_optimizer(network, 1e-3, 0.5).param_groups
        for p in group["params"]
    }
    decayed = {name for name, p in network.named_parameters() if decay[id(p)]}
    assert decayed == {"0.weight", "3.weight"}
    assert len(decay) == len(list(network.parameters()))


def test_frozen_parameters_are_left_alone():
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network[0].requires_grad_(False)
    groups = make_optimizer(network, 1e-3, 0.5).param_groups
    assert sum(len(group["params"]) for group in groups) == 2
