"""The report of landmark runs: points for voxels, masked ones left out, means over points and over cases."""

import json
import math
import statistics

import numpy as np
import pandas as pd
import pytest

from mos.errors import BadInput
from mos.metrics.table import METRICS_OF
from mos.report import error_curve, table
from mos.report.analysis import analyse
from mos.report.collect import collect
from mos.report.run_log import PICKING
from mos.report.run_record import parse_run_name
from mos.report.worst_cases import worst_cases
from run.landmark.cmd import summary
from tests.report.made_up_landmarks import FOLDS, build_landmark_tree, error_of, write_landmark_run
from tests.report.made_up_runs import write_metrics
from tests.report.opened_page import whole
from tests.report.test_latex_compiled import compiled, complaints, pytestmark as needs_tex


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return build_landmark_tree(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="module")
def collection(root):
    return collect(root, "landmark")


@pytest.fixture(scope="module")
def output(root):
    summary.main(["--checkpoint_folder", str(root)])
    return root / "summary" / "landmark"


def errors(base: float) -> list[float]:
    """All errors of a run of the made-up tree that are not masked."""
    cases = [case for of in FOLDS.values() for case in of]
    found = [error_of(case, point, base) for case in cases for point in (1, 2, 3)]
    return [error for error in found if not math.isnan(error)]


def test_no_two_metrics_share_a_key_and_the_first_of_each_task_picks_its_epoch():
    keys = [metric.key for metrics in METRICS_OF.values() for metric in metrics]
    assert len(keys) == len(set(keys))
    assert PICKING == tuple(metrics[0].key for metrics in METRICS_OF.values())


def test_column_i_is_landmark_i_plus_1_and_nan_is_masked(collection):
    rows = collection.rows
    mine = rows[(rows["run"] == "unet-512") & (rows["case"] == "b1")]
    assert list(mine["label"]) == [1, 2, 3]
    assert list(mine["label_name"]) == ["sella", "nasion <i>", "menton"]
    assert list(mine["state"]) == ["scored", "masked", "scored"]
    np.testing.assert_equal(mine["mre"].to_numpy(), [1.5, math.nan, 3.5])
    np.testing.assert_equal(mine["sdr2"].to_numpy(), [1, math.nan, 0])
    assert "nsd_tolerance" not in rows and "dice" not in rows


def test_the_overview_is_over_points_each_counting_once(collection):
    hrnet, unet = (line for line in table.overview(collection))
    error = unet.metrics["mre"]
    assert error.mean == pytest.approx(2.5) == pytest.approx(statistics.mean(errors(1.0)))
    assert error.sd == pytest.approx(statistics.stdev(errors(1.0)))
    assert error.median == statistics.median(errors(1.0)) == 2.5
    assert error.count == 17 == unet.in_reference and unet.not_in_reference == 1
    assert (unet.cases, unet.patients, unet.missed, unet.invented) == (6, 5, 0, 0)
    within = sum(one <= 2 for one in errors(1.0)) / 17
    assert unet.metrics["sdr2"].mean == pytest.approx(within) and math.isnan(
        unet.metrics["sdr2"].sd
    )
    assert unet.best == {"mre", "sdr2", "sdr25", "sdr3", "sdr4"} and not hrnet.best


def test_comparisons_are_over_patients_a_case_counting_with_the_mean_of_its_points(collection):
    (entry,) = (
        one
        for one in analyse(collection).comparisons.entries
        if one.metric == "mre" and one.label is None
    )
    # Every point, so every case, is 0.5 mm worse; b1 has two points, the others three.
    assert (entry.first, entry.second, entry.cases, entry.patients) == (
        "hrnet-512",
        "unet-512",
        6,
        5,
    )
    assert entry.difference == pytest.approx(0.5) and entry.favours == "unet-512"
    assert entry.second_mean == pytest.approx(np.mean([2, 2.5, 3, 2, 2.5, 3]))


def test_a_landmark_is_described_over_the_cases_it_is_not_masked_in(collection):
    lines = [line for line in table.per_label(collection) if line.run == "unet-512"]
    assert [line.label_name for line in lines] == ["sella", "nasion <i>", "menton"]
    assert [(line.in_reference, line.not_in_reference) for line in lines] == [
        (6, 0),
        (5, 1),
        (6, 0),
    ]
    assert lines[1].metrics["mre"].mean == pytest.approx(np.mean([2, 3, 2, 2.5, 3]))


def test_without_a_link_the_epoch_of_least_validation_error_is_shown(tmp_path):
    folder = write_landmark_run(tmp_path, "unet-512")
    (folder / "best").unlink()
    (run,) = collect(tmp_path, "landmark").runs
    assert (run.epoch, run.network, run.dims) == (3, "unet", "512")


@pytest.mark.parametrize(
    "name, parts",
    [
        ("unet-512", ("unet", "", "512", "", "")),
        ("hrnet[awing]-512x640[pretrain]", ("hrnet", "awing", "512x640", "", "[pretrain]")),
        ("an old folder", ("an old folder", "", "", "", "")),
    ],
)
def test_the_name_of_a_landmark_run_ends_in_its_size(name, parts):
    assert tuple(parse_run_name(name, "landmark").values()) == parts


def test_the_cumulative_curve_is_the_share_of_points_within(collection):
    drawn = error_curve.error_curve(collection.rows, ["unet-512", "hrnet-512"])
    assert [text for _, text in drawn.marks] == ["2", "2.5", "3", "4"]
    assert [line.run for line in drawn.runs] == ["unet-512", "hrnet-512"]
    unet = drawn.runs[0]
    heights = {
        float(x): float(y) for x, y in (point.split() for point in unet.path.lstrip("M").split("L"))
    }
    at_two = heights[drawn.marks[0][0]]
    inner = error_curve.HEIGHT - error_curve.TOP - error_curve.BOTTOM
    share = (error_curve.HEIGHT - error_curve.BOTTOM - at_two) / inner
    assert share == pytest.approx(sum(one <= 2 for one in errors(1.0)) / 17, abs=0.001)
    assert unet.points == 17 and unet.beyond == 0


def test_no_points_have_no_curve(collection):
    assert error_curve.error_curve(collection.rows.iloc[:0], ["unet-512"]) is None


def test_the_worst_cases_come_first_with_the_landmark_that_is_farthest_off(collection):
    first, second, *_ = worst_cases(collection.rows)
    assert {first.case, second.case} == {"c1", "e2"} and first.run == "hrnet-512"
    assert (first.error, first.farthest, first.label_name) == (3.5, 4.5, "menton")


def test_scores_of_another_task_are_named_and_left_out(tmp_path):
    folder = write_landmark_run(tmp_path, "unet-512")
    write_metrics(folder / "epoch-0003" / "test-metrics.pt", {"a": "a"}, [0.8], {})
    found = collect(tmp_path, "landmark")
    assert not len(found.rows)
    assert "it has no raw_mre" in " ".join(notice.text for notice in found.notices)


def test_shares_that_a_file_lacks_follow_from_its_errors(tmp_path):
    import torch

    folder = write_landmark_run(tmp_path, "unet-512")
    path = folder / "epoch-0003" / "test-metrics.pt"
    content = torch.load(path)
    torch.save({key: value for key, value in content.items() if "sdr" not in key}, path)
    found = collect(tmp_path, "landmark")
    known = found.rows["mre"].notna()
    assert (found.rows["sdr25"][known] == (found.rows["mre"][known] <= 2.5)).all()
    assert found.rows["sdr25"][~known].isna().all() and not [
        n for n in found.notices if n.kind == "re-evaluate"
    ]


def test_the_page_speaks_of_points(output):
    page = whole(output / "result.html")
    for text in (
        "Cumulative error",
        "Worst cases",
        "per landmark",
        "masked",
        "median 2.500",
        "512 px",
    ):
        assert text in page, text
    for text in ("nvented", "issed", "Dice", "<i>"):
        assert text not in page, text


def test_the_tables_say_over_what_their_means_are(output):
    text = (output / "latex" / "heads" / "overview-1.tex").read_text()
    assert "over 17 points of 6 test cases of 5 patients, pooled over 2 folds" in text
    assert "Median (mm)" in text and "Not scored: 1 point outside" in text
    assert r"Mean\,$\pm$" in text
    shares = (output / "latex" / "heads" / "overview-2.tex").read_text()
    assert "Mean over 17 points" in shares and r"$\pm$" not in shares
    rows = (output / "latex" / "heads" / "labels-mre.tex").read_text()
    assert r"menton & " in rows and "All points & " in rows
    pairs = (output / "latex" / "heads" / "pairs-mre.tex").read_text()
    assert "A case counts with the mean of its points." in pairs


def test_every_column_of_the_data_is_explained(output):
    known = pd.read_csv(output / "columns.csv")
    for name in ("result", "cases"):
        columns = set(pd.read_csv(output / f"{name}.csv").columns)
        assert columns == set(known.loc[known["file"] == name, "column"])
    result = pd.read_csv(output / "result.csv").set_index("run").loc["unet-512"]
    assert (result["points"], result["masked"], result["mre_median"]) == (17, 1, 2.5)
    assert json.loads((output / "result.json").read_text())["metrics"][0]["key"] == "mre"


def test_a_metric_of_segmentation_is_refused(root):
    with pytest.raises(BadInput, match="'dice' is no metric of landmark.*mre, sdr2"):
        summary.main(["--checkpoint_folder", str(root), "--latex_metrics", "dice"])


@needs_tex
def test_the_latex_tables_compile_fit_and_print_landmarks_and_millimetres(output):
    made = {path.stem for path in (output / "latex" / "heads").iterdir()}
    kinds = "overview-1 overview-2 labels-mre labels-sdr25 folds-mre pairs-sdr2 ranking-sdr4"
    assert set(kinds.split()) <= made
    log, text = compiled(output / "latex", "tables")
    assert not complaints(log)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "Network MRE (mm) \u2193 Median (mm)" in lines
    assert "unet 2.500 \u00b1 0.968 2.500" in lines
    assert "nasion <i> 3.000 \u00b1 0.500 2.500 \u00b1 0.500" in lines
    assert any(line.startswith("Network SDR 2 mm \u2191 SDR 2.5 mm") for line in lines)
