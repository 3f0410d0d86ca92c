"""Order of cases, seeds of samples, and how a batch is shared out."""

from collections import Counter

import numpy as np
import pytest

from mos.engine.order import batches, epoch_order, sample_seed


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    np.random.seed(1)
    first = epoch_order(20, seed=3, epoch=5)
    np.random.seed(2)
    assert (first == epoch_order(20, seed=3, epoch=5)).all()
    assert not (first == epoch_order(20, seed=3, epoch=6)).all()
    assert not (first == epoch_order(20, seed=4, epoch=5)).all()


@pytest.mark.parametrize("loop", [1, 3])
def test_every_case_comes_once_per_round(loop):
    order = epoch_order(7, seed=0, epoch=1, loop=loop)
    assert [sorted(part) for part in order.reshape(loop, 7)] == [list(range(7))] * loop


def test_rounds_of_one_epoch_differ():
    first, second = epoch_order(50, seed=0, epoch=1, loop=2).reshape(2, 50)
    assert not (first == second).all()


def test_a_sample_count_takes_that_many_different_cases_and_no_more_than_there_are():
    assert len(set(epoch_order(10, seed=0, epoch=1, sample_count=4).tolist())) == 4
    assert len(epoch_order(10, seed=0, epoch=1, sample_count=99)) == 10


def test_seeds_of_samples_do_not_repeat_and_fit_torch():
    seeds = {sample_seed(s, e, p) for s in range(3) for e in range(1, 5) for p in range(100)}
    assert len(seeds) == 3 * 4 * 100
    assert all(0 <= seed < 2**63 for seed in seeds)


def shares(length, batch_size, world):
    order = epoch_order(length, seed=1, epoch=2)
    by_rank = [
        list(batches(order, batch_size=batch_size, seed=1, epoch=2, rank=rank, world=world))
        for rank in range(world)
    ]
    return list(zip(*by_rank, strict=True))


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("length, batch_size", [(12, 4), (11, 4), (9, 4), (5, 1), (4, 8), (7, 3)])
def test_processes_together_do_the_batches_of_one(world, length, batch_size):
    alone = [one for (one,) in shares(length, batch_size, 1)]
    together = shares(length, batch_size, world)
    assert len(alone) == len(together)
    for one, parts in zip(alone, together):
        busy = [part for part in parts if part.weight]
        assert sum((list(part.indices) for part in busy), []) == list(one.indices)
        assert sum((list(part.seeds) for part in busy), []) == list(one.seeds)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("length, batch_size", [(11, 4), (9, 4), (5, 1), (7, 3)])
def test_weighted_means_of_the_shares_average_to_the_mean_of_the_batch(world, length, batch_size):
    value = np.random.default_rng(0).random(length)
    (alone, *_), *_ = shares(length, batch_size, 1)
    for one, parts in zip(shares(length, batch_size, 1), shares(length, batch_size, world)):
        means = [part.weight * value[list(part.indices)].mean() for part in parts]
        assert np.mean(means) == pytest.approx(value[list(one[0].indices)].mean())
    assert alone.weight == 1


def test_a_process_without_a_case_takes_part_with_weight_zero():
    (last,) = shares(1, 4, 3)
    assert [part.weight for part in last] == [3, 0, 0]
    assert all(len(part.indices) == 1 for part in last)


def test_the_shares_of_an_epoch_hold_every_case_once():
    found = Counter(i for parts in shares(11, 4, 3) for p in parts if p.weight for i in p.indices)
    assert found == Counter(range(11))
