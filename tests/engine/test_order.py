"""Order of cases, seeds of samples, and how a batch is shared out."""

from collections import Counter

import numpy as np
import pytest

from mos.engine.order import Pool, batches, deal, epoch_order, sample_seed


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


def pooled(counts, weights=None, *, batch_size=4, epoch=1, **more):
    pools = [Pool(c, w) for c, w in zip(counts, weights or [1] * len(counts), strict=True)]
    order = epoch_order(
        sum(counts), seed=1, epoch=epoch, pools=pools, batch_size=batch_size, **more
    )
    edges = np.cumsum([0, *counts])
    owner = np.searchsorted(edges, order, side="right") - 1
    return order, [
        owner[start : start + batch_size].tolist() for start in range(0, len(order), batch_size)
    ]


@pytest.mark.parametrize(
    "batch_size, weights, cases",
    [
        (4, [1, 1], [2, 2]),
        (5, [1, 1], [3, 2]),
        (8, [1, 0.5], [5, 3]),
        (4, [1, 0.01], [3, 1]),
        (4, [1, 1, 1], [2, 1, 1]),
        (3, [100, 1, 1], [1, 1, 1]),
        (16, [1, 2, 1], [4, 8, 4]),
    ],
)
def test_a_batch_is_dealt_by_weight_with_at_least_one_case_each(batch_size, weights, cases):
    assert deal(batch_size, [Pool(9, weight) for weight in weights]) == cases


def test_a_batch_smaller_than_the_number_of_pools_cannot_be_dealt():
    with pytest.raises(ValueError, match="3 pools need batches of 3, not 2"):
        deal(2, [Pool(1)] * 3)


def test_one_pool_is_the_order_without_pools():
    assert (pooled([20])[0] == epoch_order(20, seed=1, epoch=1)).all()


@pytest.mark.parametrize(
    "counts, weights", [([10, 3], None), ([3, 10], None), ([9, 40, 5], [1, 3, 1]), ([6, 6], None)]
)
@pytest.mark.parametrize("loop", [1, 2])
def test_every_batch_holds_every_pool_and_the_longest_is_gone_through_once_a_round(
    counts, weights, loop
):
    order, owners = pooled(counts, weights, batch_size=6, loop=loop)
    assert all(set(batch) == set(range(len(counts))) for batch in owners)
    dealt = deal(6, [Pool(c, w) for c, w in zip(counts, weights or [1] * len(counts))])
    assert all(np.bincount(batch).tolist() == dealt for batch in owners[:-1])
    batches_alone = [-(-loop * count // own) for count, own in zip(counts, dealt)]
    assert len(owners) == max(batches_alone)
    seen, first = Counter(order.tolist()), 0
    for count, needed in zip(counts, batches_alone):
        times = [seen[case] for case in range(first, first + count)]
        if needed == len(owners):
            assert times == [loop] * count
        first += count


def test_the_shorter_pool_is_drawn_with_replacement_evenly_over_many_epochs():
    seen = Counter()
    for epoch in range(200):
        seen.update(pooled([40, 5], epoch=epoch)[0].tolist())
    drawn = [seen[case] for case in range(40, 45)]
    assert sum(drawn) == 200 * 40 and min(drawn) > 1450 and max(drawn) < 1750
    once = Counter(pooled([40, 5])[0].tolist())
    assert len({once[case] for case in range(40, 45)}) > 1, "drawn, not dealt in turn"


def test_a_last_smaller_batch_keeps_the_proportions():
    _, owners = pooled([42, 5], batch_size=8)
    assert [len(batch) for batch in owners[-2:]] == [8, 4]
    assert sorted(owners[-1]) == [0, 0, 1, 1]


@pytest.mark.parametrize("world", [1, 2])
def test_the_share_of_each_process_is_mixed(world):
    order, _ = pooled([40, 5], batch_size=4)
    for rank in range(world):
        for share in batches(order, batch_size=4, seed=1, epoch=1, rank=rank, world=world):
            assert {index >= 40 for index in share.indices} == {False, True}


def test_a_sample_count_shortens_the_epoch_of_several_pools_too():
    order, owners = pooled([40, 3], sample_count=12)
    assert len(order) == 12 and len(owners) == 3
    longest = order[order < 40]
    assert len(set(longest.tolist())) == 6


def test_the_order_of_pools_is_a_function_of_seed_and_epoch_alone():
    assert (pooled([40, 5])[0] == pooled([40, 5])[0]).all()
    assert not (pooled([40, 5])[0] == pooled([40, 5], epoch=2)[0]).all()
