"""Learning curves: ticks, gaps and single points."""

import pytest

from mos.report import curve
from mos.report.collect import collect
from tests.report.made_up_runs import write_run


@pytest.mark.parametrize(
    "low, high, ticks",
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.13, 0.29, [0.1, 0.15, 0.2, 0.25, 0.3]),
        (1, 40, [0, 10, 20, 30, 40]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
    ],
)
def test_ticks_are_round_and_cover_the_range(low, high, ticks):
    assert curve.round_ticks(low, high, 5) == ticks


def test_a_run_has_a_loss_and_a_dice_picture_with_its_shown_epoch_marked(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    loss, dice = curve.panels(collect(tmp_path, "baseline").runs, dice_floor=0.0)
    assert [line.name for line in loss.series] == ["fold 0, train", "fold 0, valid"]
    assert [line.dashed for line in loss.series] == [False, True]
    assert dice.series[0].mark[2].startswith("epoch 5: 0.7")


def test_one_epoch_is_a_dot_and_none_is_no_picture(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none", epochs=1, target=1)
    _, dice = curve.panels(collect(tmp_path, "baseline").runs, dice_floor=0.0)
    assert len(dice.series[0].dots) == 1
    (folder / "metric.jsonl").write_text("")
    assert curve.panels(collect(tmp_path, "baseline").runs, dice_floor=0.0) == []


def test_a_dice_below_the_axis_stays_inside_the_picture(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    _, dice = curve.panels(collect(tmp_path, "baseline").runs, dice_floor=0.7)
    heights = [float(point.split()[-1]) for point in dice.series[0].path.split("L")]
    assert max(heights) == curve.HEIGHT - curve.BOTTOM
