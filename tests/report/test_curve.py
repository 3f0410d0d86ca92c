"""Learning curves: ticks, gaps and single points."""

import json

import pytest

from mos.report import curve
from mos.report.collect import collect
from mos.report.metric import METRICS
from tests.report.made_up_runs import write_run

DICE = METRICS[0]


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
    loss, dice = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))
    assert [line.name for line in loss.series] == ["fold 0, train", "fold 0, valid"]
    assert [line.dashed for line in loss.series] == [False, True]
    assert (loss.title, dice.title) == ("cross-entropy", "validation dice")
    assert dice.series[0].mark[2].startswith("epoch 5: 0.7")


def heights(line):
    return [float(point.split()[-1]) for point in line.path.split("L")]


def relog(folder, change):
    """Rewrites the lines of a metric.jsonl; `change` takes and returns one."""
    path = folder / "metric.jsonl"
    lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_training_and_validation_are_drawn_by_the_loss_they_share(tmp_path):
    # Dice + cross-entropy of training is 1.1 - dice above its cross-entropy, validation's 0.05.
    write_run(tmp_path, "unet-2d-none")
    (run,) = collect(tmp_path, "baseline").runs
    loss, _ = curve.panels([run], DICE, (0.0, 1.0))
    train, valid = map(heights, loss.series)
    top = float(loss.y_ticks[-1][1])
    unit = (curve.HEIGHT - curve.TOP - curve.BOTTOM) / top
    apart = [a - b for a, b in zip(train, valid)][1:]  # the first epoch lies at the edge
    assert apart == pytest.approx([0.05 * unit] * 5, abs=0.11)


def test_a_validation_that_names_its_terms_is_drawn_by_its_cross_entropy(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    before, _ = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))

    def name_terms(line):
        terms = {"ce_loss": line["loss"], "loss": 7.0} if line["stage"] == "valid" else {}
        return line | terms

    relog(folder, name_terms)
    assert curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))[0] == before


def test_a_high_first_epoch_does_not_flatten_the_rest(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    relog(folder, lambda line: line | ({"loss": 50.0} if line["epoch"] == 1 else {}))
    loss, _ = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))
    assert float(loss.y_ticks[-1][1]) < 1
    assert min(map(min, map(heights, loss.series))) == curve.TOP


def test_losses_of_other_names_are_not_drawn_together(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    relog(folder, lambda line: {k: v for k, v in line.items() if k != "ce_loss"})
    loss, _ = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))
    assert loss.title == "training loss"
    assert [line.name for line in loss.series] == ["fold 0, train"]


def test_a_run_without_validation_has_its_training_drawn_alone(tmp_path):
    write_run(tmp_path, "unet-2d-none", validated=False)
    (loss,) = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))
    assert (loss.title, len(loss.series)) == ("cross-entropy", 1)


def test_one_epoch_is_a_dot_and_none_is_no_picture(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none", epochs=1, target=1)
    _, dice = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0))
    assert len(dice.series[0].dots) == 1
    (folder / "metric.jsonl").write_text("")
    assert curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.0, 1.0)) == []


def test_a_dice_below_the_axis_stays_inside_the_picture(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    _, dice = curve.panels(collect(tmp_path, "baseline").runs, DICE, (0.7, 1.0))
    assert max(heights(dice.series[0])) == curve.HEIGHT - curve.BOTTOM
