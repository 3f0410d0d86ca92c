"""Zero-shot scores beside the own test: the same labels, other patients, an interval that is seeded."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import torch
from tests.report.made_up_runs import FOLDS, write_metrics, write_run
from tests.report.opened_page import whole

from mos.report import export
from mos.report.collect import collect
from mos.report.statistics import bootstrap_difference, bootstrap_interval
from mos.report.zeroshot import zeroshot_lines
from run.baseline.cmd import summary

AWAY = {"x1": "x", "x2": "x", "y1": "y", "z1": "z"}


def score_away(folder, bases, special=None, name="away", only=None):
    """A zero-shot file of the shown epoch, as cmd/zeroshot writes it."""
    path = folder / "epoch-0005" / "zeroshot-metrics.pt"
    write_metrics(path, AWAY, bases, special or {})
    content = torch.load(path)
    content |= {"set": [name] * 4, "sets": {name: {"sha256": "s", "labels": [1, 2]}}}
    if only:
        for key in [key for key in content if key.startswith("raw_")]:
            others = [i for i in range(content[key].shape[1]) if i != only]
            content[key][:, others] = math.nan
        for key in ("dice", "iou", "hd", "msd", "nsd", "precision", "recall", "volume_error"):
            content[key] = content[f"raw_{key}"][:, only]
    torch.save(content, path)


def test_the_difference_is_set_minus_test_of_the_same_run(tmp_path):
    score_away(write_run(tmp_path, "unet-2d-none"), [0.5, 0.5, 0.6, 0.6])
    (line,) = zeroshot_lines(collect(tmp_path, "baseline"))
    gap = line.metrics["dice"]
    # Test: 0.80, 0.78, 0.76, 0.74 for label 1, and 0.1 less for label 2.
    assert gap.there.mean == pytest.approx(0.55 - 0.05)
    assert gap.home.mean == pytest.approx(0.77 - 0.05)
    assert gap.difference == pytest.approx(-0.22)
    assert gap.low < gap.difference < gap.high < 0
    assert (line.set, line.cases, line.patients) == ("away", 4, 3)
    assert (line.home_cases, line.home_patients) == (4, 3)


def test_the_own_test_counts_only_the_labels_that_the_set_annotates(tmp_path):
    score_away(write_run(tmp_path, "unet-2d-none"), [0.5] * 4, only=1)
    (line,) = zeroshot_lines(collect(tmp_path, "baseline"))
    assert line.labels == ("heart",)
    assert line.metrics["dice"].home.mean == pytest.approx(0.77)
    assert line.metrics["dice"].there.mean == pytest.approx(0.5)


def test_folds_are_pooled_and_a_case_that_several_score_counts_once(tmp_path):
    for fold, bases in (("0", [0.4] * 4), ("1", [0.6] * 4)):
        score_away(write_run(tmp_path, "unet-2d-none", setting=f"demo-{fold}"), bases)
    (line,) = zeroshot_lines(collect(tmp_path, "baseline"))
    assert (line.folds, line.cases) == (("0", "1"), 4)
    assert line.metrics["dice"].there.mean == pytest.approx(0.5 - 0.05)
    assert line.home_cases == sum(len(cases) for cases in FOLDS.values())


def test_missed_and_invented_are_counted_and_infinite_distances_left_out_and_told(tmp_path):
    special = {("x1", 1): "missed", ("y1", 2): "invented"}
    score_away(write_run(tmp_path, "unet-2d-none"), [0.5] * 4, special)
    (line,) = zeroshot_lines(collect(tmp_path, "baseline"))
    assert (line.missed, line.in_reference) == (1, 7)
    assert (line.invented, line.not_in_reference) == (1, 1)
    gap = line.metrics["hd"]
    assert gap.there.infinite == 2 and gap.home.infinite == 0
    assert gap.difference == pytest.approx(gap.there.mean - gap.home.mean)


def test_a_run_without_a_test_shows_the_set_alone(tmp_path):
    folder = write_run(tmp_path, "unet-2d-none")
    score_away(folder, [0.5] * 4)
    (folder / "epoch-0005" / "test-metrics.pt").unlink()
    (line,) = zeroshot_lines(collect(tmp_path, "baseline"))
    assert line.home_cases == 0 and math.isnan(line.metrics["dice"].difference)
    assert line.metrics["dice"].there.count == 4
    assert "0.450" in export.zeroshot_text([line])


def test_the_page_and_the_files_show_it(tmp_path):
    score_away(write_run(tmp_path, "unet-2d-none"), [0.5, 0.5, 0.6, 0.6], name="<away>")
    summary.main(["--checkpoint_folder", str(tmp_path)])
    page = whole(tmp_path / "summary" / "result.html")
    assert "Zero-shot: on sets the runs were not trained for" in page
    assert (
        re.search(r"−0\.220\s*<span class=\"interval-text\">\[−0\.2", page) and "test 0.720" in page
    )
    assert "&lt;away&gt;" in page and "<away>" not in page
    frame = pd.read_csv(tmp_path / "summary" / "zeroshot.csv")
    assert frame["dice_difference"].tolist() == pytest.approx([-0.22])
    assert frame["set"].tolist() == ["<away>"]


def test_without_zero_shot_files_nothing_is_said_of_them(tmp_path):
    write_run(tmp_path, "unet-2d-none")
    summary.main(["--checkpoint_folder", str(tmp_path)])
    assert "Zero-shot:" not in whole(tmp_path / "summary" / "result.html")


def test_runs_at_different_tolerances_of_nsd_are_told(tmp_path):
    for name, tolerance in (("unet-2d-none", 2.0), ("unet-3d-none", 1.0)):
        path = write_run(tmp_path, name) / "epoch-0005" / "test-metrics.pt"
        content = torch.load(path)
        content["raw_nsd_tolerance"] = torch.full_like(content["raw_dice"], tolerance)
        torch.save(content, path)
    found = [n for n in collect(tmp_path, "baseline").notices if n.kind == "nsd tolerance"]
    assert {n.run: "at 2 mm" in n.text for n in found} == {
        "unet-2d-none": True,
        "unet-3d-none": False,
    }


def test_runs_of_other_labels_at_one_tolerance_are_not_told(tmp_path):
    for name, scored in (("unet-2d-none", (1, 2)), ("unet-3d-none", (1,))):
        path = write_run(tmp_path, name) / "epoch-0005" / "test-metrics.pt"
        content = torch.load(path)
        content["raw_nsd_tolerance"] = torch.full_like(content["raw_dice"], torch.nan)
        content["raw_nsd_tolerance"][:, list(scored)] = 2.0
        torch.save(content, path)
    assert not [n for n in collect(tmp_path, "baseline").notices if n.kind == "nsd tolerance"]


def test_the_interval_of_a_difference_is_seeded_and_knows_patients():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.1, 40), rng.normal(0.8, 0.1, 60)
    alone = (range(40), range(60))
    low, high = bootstrap_difference(a, alone[0], b, alone[1])
    assert (low, high) == bootstrap_difference(a, alone[0], b, alone[1])
    difference = a.mean() - b.mean()
    error = np.sqrt(a.var(ddof=1) / 40 + b.var(ddof=1) / 60)
    assert (low, high) == pytest.approx(
        (difference - 1.96 * error, difference + 1.96 * error), abs=0.2 * error
    )
    few = [i // 10 for i in range(40)]  # four patients of ten cases each
    assert bootstrap_difference(a, few, b, alone[1]) != (low, high)


def test_two_groups_of_one_size_are_drawn_apart():
    values = np.random.default_rng(0).normal(0.6, 0.1, 30)
    low, high = bootstrap_difference(values, range(30), values, range(30))
    own_low, own_high = bootstrap_interval(values, range(30))
    assert high - low > 1.2 * (own_high - own_low)


def test_below_two_patients_in_a_group_there_is_no_interval():
    assert all(map(math.isnan, bootstrap_difference([0.5, 0.6], [1, 1], [0.5, 0.6], [1, 2])))
