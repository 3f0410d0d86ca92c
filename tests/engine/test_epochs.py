"""Which epochs run, as a table."""

import pytest

from mos.engine.epochs import plan_epochs
from mos.errors import BadInput

PLANS = [
    # done, count, start, increase -> first, last
    ((0, 40, 0, None), (1, 40), "a new run"),
    ((7, 40, 0, None), (8, 40), "a stopped run goes on"),
    ((40, 40, 0, None), (41, 40), "a finished run has nothing to do"),
    ((40, 60, 0, None), (41, 60), "a larger count goes on"),
    ((40, 10, 0, None), (41, 10), "a smaller count does nothing"),
    ((40, 40, 1, None), (1, 40), "from scratch"),
    ((40, 40, 31, None), (31, 40), "from the middle"),
    ((40, 60, 41, None), (41, 60), "starting right behind the end"),
    ((40, 40, 0, 5), (41, 45), "five more"),
    ((40, 99, 0, 5), (41, 45), "five more, whatever the count"),
    ((0, 40, 0, 5), (1, 5), "five more than nothing"),
    ((40, 40, 0, -5), (36, 40), "the last five again"),
    ((5, 40, 0, -5), (1, 5), "all five again"),
    ((43, 40, 0, "fix"), (44, 50), "on to the next ten"),
    ((40, 40, 0, "fix"), (41, 40), "a multiple of ten stays"),
    ((0, 40, 0, "fix"), (1, 10), "the first ten"),
]


@pytest.mark.parametrize("asked, planned", [p[:2] for p in PLANS], ids=[p[2] for p in PLANS])
def test_the_plan_is(asked, planned):
    done, count, start, increase = asked
    plan = plan_epochs(done=done, epoch_count=count, start_epoch=start, increase=increase)
    assert (plan.first, plan.last) == planned
    assert plan.resume_from == planned[0] - 1


def test_a_start_beyond_what_is_done_is_refused_with_the_epoch_to_give():
    with pytest.raises(BadInput, match=r"--start_epoch 9: only 4 .* --start_epoch 5"):
        plan_epochs(done=4, epoch_count=40, start_epoch=9)


def test_redoing_more_epochs_than_there_are_is_refused():
    with pytest.raises(BadInput, match="--increase_epoch -5: only 4"):
        plan_epochs(done=4, epoch_count=40, increase=-5)
