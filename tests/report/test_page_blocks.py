"""What the page carries for its scripts: cases, pairs, images, and where the parts of plots lie."""

import csv
import io
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mos.report import case_block, columns, cost, page_images, page_parts, plot_ranks, table
from mos.report.analysis import analyse
from mos.report.case_images import CaseImages, write_case_images
from mos.report.collect import collect
from mos.report.critical_difference import CriticalDifference
from mos.report import packed as packed_module
from mos.report.cache import Cache
from mos.report.packed import Parts, packed, unpacked
from mos.report.page_text import fixed
from mos.report.pair_block import FIELDS, pair_block
from mos.report.pivot import pivot
from mos.report.table import case_scores
from tests.report.made_up_runs import build_crowd, write_metrics, write_run


@pytest.fixture(scope="module")
def collected(tree):
    return collect(tree, "baseline")


def test_what_is_packed_comes_back_and_nothing_in_it_is_markup():
    value = {"name": "</script><b>", "numbers": [1, None, 2.5]}
    assert unpacked(packed(value)) == value
    assert "<" not in packed(value) and packed(value) == packed(value)
    with pytest.raises(ValueError):
        packed([math.nan])


def test_parts_are_numbered_in_the_order_they_are_put():
    parts = Parts()
    assert [parts.put("<p>a</p>"), parts.put("<p>b</p>")] == [0, 1]
    assert unpacked(parts.packed()) == ["<p>a</p>", "<p>b</p>"]
    assert unpacked(Parts().packed()) == []


def test_many_parts_are_compressed_piece_by_piece_and_each_piece_once(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    texts = ["".join(map(chr, random.integers(32, 900, 30_000))) for _ in range(25)]

    def made(cache):
        parts = Parts()
        for text in texts:
            parts.put(text)
        return parts.packed(cache)

    cache = Cache(tmp_path)
    first = made(cache)
    assert unpacked(first) == texts and made(Cache(None)) == first
    cache.save()
    done = []
    compress = packed_module._deflated
    monkeypatch.setattr(packed_module, "_deflated", lambda text: done.append(1) or compress(text))
    assert made(Cache(tmp_path)) == first and not done
    texts[20] += "!"
    assert unpacked(made(Cache(tmp_path))) == texts and len(done) == 1


def test_the_numbers_of_cases_are_those_of_the_tables(collected):
    block = case_block.case_block(collected.rows)
    of = block["stages"]["test"]["unet-2d-none"]
    names = [block["cases"][number] for number in of["c"]]
    assert names == ["a1", "a2", "b1", "c1", "d1", "e1", "e2", "f1"]
    assert "".join(of["f"]) == "00001111"
    by_key = {m["key"]: (i, m["scale"]) for i, m in enumerate(block["metrics"])}
    place, scale = by_key["dice"]
    # Mean of 0.8 and 0.7; half of 0.78, for a2 misses its second label; b1 has the first alone.
    assert [value / scale for value in of["v"][0][place]][:3] == [0.75, 0.39, 0.76]
    assert [of["s"][1][names.index(case)] for case in ("a1", "a2", "b1")] == ["s", "m", "a"]
    place, scale = by_key["hd"]
    assert of["v"][0][place][1] == of["v"][2][place][1] == case_block.INF
    assert of["v"][2][place][2] == case_block.NAN

    rows = collected.rows[collected.rows["state"] != "not scored"].reset_index(drop=True)
    where = np.flatnonzero((rows["run"] == "unet-2d-none") & (rows["stage"] == "test"))
    means, _ = case_scores(table.Columns.of(rows), where)
    packed_means = np.array(of["v"][0]).T / [m["scale"] for m in block["metrics"]]
    finite = np.isfinite(means)
    assert np.allclose(packed_means[finite], means[finite], atol=1e-4) and finite.sum() > 50


def test_a_case_scored_by_several_folds_has_their_mean_and_its_states_may_vary(collected):
    rows = collected.rows[
        (collected.rows["run"] == "unet-2d-none") & (collected.rows["case"] == "a2")
    ]
    again = rows.assign(fold="1", state="scored", dice=[0.6, 0.4])
    import pandas as pd

    block = case_block.case_block(pd.concat([rows, again]))
    of = block["stages"]["test"]["unet-2d-none"]
    assert of["f"] == ["*"] and of["s"] == ["s", "v"]
    # Means over labels first, 0.39 and 0.5, then over the folds.
    assert of["v"][0][0][0] / block["metrics"][0]["scale"] == pytest.approx(0.445)


def test_a_dataset_without_scores_has_an_empty_block(collected):
    block = case_block.case_block(collected.rows[:0])
    assert block["stages"] == {} and json.loads(json.dumps(block)) == block


def test_networks_stand_by_rows_dimensions_and_data_by_columns(collected):
    lines = [line for line in table.overview(collected) if line.stage == "test"]
    found = pivot(lines)
    assert found.columns == (("2d", "none"), ("3d", "none"), ("3d", "acdc,mnms"))
    assert [row.name for row in found.rows] == ["resunet", "unet", "unet[s] [pretrain]"]
    assert found.rows[0].cells[("3d", "none")].run == "resunet-3d-none"
    assert ("3d", "none") not in found.rows[1].cells


def test_runs_that_would_share_a_cell_get_rows_of_their_own(collected):
    line = table.overview(collected)[0]
    found = pivot([line, replace(line, run="copy")])
    assert all(len(row.cells) == 1 for row in found.rows)
    assert [row.name for row in found.rows] == ["resunet", f"resunet: {line.run}"]


def test_a_run_on_other_cases_is_not_marked_as_good_as_the_best(tmp_path):
    root = build_crowd(tmp_path, {"unet": 0.8}, patients=4)
    path = root / "baseline-crowd-0" / "unet-2d-none" / "epoch-0004" / "test-metrics.pt"
    write_metrics(path, {f"p0{i}_a": f"p0{i}" for i in range(3)}, [0.7] * 3, {})
    change = root / "baseline-crowd-0" / "unet-2d-none" / "epoch-0005" / "test-metrics.pt"
    change.write_bytes(path.read_bytes())
    collection = collect(root, "baseline")
    lines = table.overview(collection)
    (dataset,) = page_parts.datasets(collection.runs)
    tables = lines, [], [], [], analyse(collection)
    part = page_parts.dataset_part(collection, dataset, *tables, cost.costs_of(collection))
    best = next(line.run for line in lines if "dice" in line.best)
    others = {"unet-3d-none", "unet-3d-mnms"} - {best}
    assert part.test.like_best["dice"] == others


def test_comparisons_are_rows_of_numbers_that_json_knows(tmp_path):
    found = analyse(collect(build_crowd(tmp_path, {"unet": 0.8, "vnet": 0.7}), "baseline"))
    entries = [e for e in found.comparisons.entries if e.stage == "test"]
    block = unpacked(packed(pair_block(entries, found.contenders, None)))
    assert len(block["rows"]) == len(entries) and block["fields"] == list(FIELDS)
    row = dict(zip(block["fields"], block["rows"][0]))
    names = [one["name"] for one in block["contenders"]]
    entry = entries[0]
    assert (names[row["first"]], names[row["second"]]) == (entry.first, entry.second)
    assert row["difference"] == pytest.approx(entry.difference, rel=1e-5)
    assert row["label"] == -1 and row["cases"] == entry.cases


def test_what_a_training_cost_is_read_from_its_lines(collected):
    lines = cost.cost_lines(collected.runs)
    line = next(line for line in lines if line.run == "resunet-3d-none")
    assert (line.epochs, line.epoch_seconds) == (9, 1.0)
    assert line.total_hours == pytest.approx(9 / 3600) and math.isnan(line.peak_memory)
    rows = {
        row["run"]: row
        for row in csv.DictReader(io.StringIO(cost.cost_csv(cost.costs_of(collected))))
    }
    assert len(rows) == len(lines) and list(rows["resunet-3d-none"]) == list(columns.COST)
    assert rows["resunet-3d-none"]["epochs"] == "9" and rows["resunet-3d-none"]["peak_memory"] == ""


def test_samples_a_second_are_all_samples_by_all_seconds():
    def run(*lines):
        return SimpleNamespace(log={"train": dict(enumerate(lines))})

    folds = [
        run({"samples": 600, "seconds": 10.0}, {"samples": 600, "seconds": 20.0}),
        run({"samples": 300}),
    ]
    assert cost.samples_per_second(folds) == 40.0
    assert math.isnan(cost.samples_per_second([run({"seconds": 1.0})]))


def test_numbers_are_written_with_a_real_minus_and_zero_without():
    assert [fixed(x, 2) for x in (-1.234, -0.001, math.nan, math.inf)] == [
        "−1.23",
        "0.00",
        "–",
        "∞",
    ]
    assert [fixed(x, 2, sign=True) for x in (1.0, 0.001, -1.0)] == ["+1.00", "0.00", "−1.00"]


def test_the_critical_difference_is_as_long_as_it_is_on_the_axis():
    found = CriticalDifference(
        contenders=("a", "b", "c"),
        mean_ranks=(1.0, 2.0, 3.0),
        patients=9,
        chi2=18.0,
        p=0.0001,
        difference=1.0,
        groups=((0, 1), (1, 2)),
    )
    drawn = plot_ranks.diagram(found)
    low, high = drawn.axis
    assert [arm.x for arm in drawn.arms] == [low, (low + high) / 2, high]
    assert drawn.scale[1] - drawn.scale[0] == (high - low) / 2
    assert [arm.left for arm in drawn.arms] == [True, True, False]
    one, two = drawn.bars
    assert (
        one.x1 < low < one.x2 and one.y != two.y and max(arm.y for arm in drawn.arms) < drawn.height
    )


def images_of(case: str, **changes) -> CaseImages:
    """Dice 0.8 for label 1 and 0.7 for label 2, as `write_run` says of case a1: ten voxels each."""
    reference, prediction = np.zeros((2, 3, 4, 10), np.uint8)
    reference[0, 0], prediction[0, 0, :8], prediction[0, 1, :2] = 1, 1, 1
    reference[1, 2], prediction[1, 2, :7], prediction[2, 3, :3] = 2, 2, 2
    values = {
        "case": case,
        "patient": "a",
        "image": np.arange(120, dtype=np.uint8).reshape(1, 3, 4, 10),
        "reference": reference,
        "prediction": prediction,
        "spacing": (5.0, 1.0, 2.0),
        "positions": np.array([0.0, 5.0, 10.0]),
        "first_slice": 0,
        "labels": {0: "background", 1: "heart", 2: "scar <b>"},
        "scored": (1, 2),
        "run": "unet-2d-none",
        "setting": "demo-0",
        "epoch": 5,
        "weights_sha256": "w",
        "dataset_sha256": "d",
    }
    return CaseImages(**values | changes)


def test_images_that_belong_to_the_scores_are_taken_and_others_are_named(tmp_path):
    epoch = write_run(tmp_path, "unet-2d-none") / "epoch-0005"
    write_case_images(epoch, images_of("a1"))
    write_case_images(epoch, images_of("a2"))  # scored 0.78 and 0.68
    write_case_images(epoch, images_of("b1", epoch=4))
    write_case_images(epoch, images_of("c1")).write_bytes(b"PK cut off")
    found = page_images.choose_pictures(collect(tmp_path, "baseline"), 1.0)["demo"]
    assert list(found.cases) == ["a1"] and "1 of 4 cases" in found.note
    told = " ".join(notice.text for notice in found.notices)
    assert "dice 0.8000 in them and 0.7800" in told and "epoch 4, shown is epoch 5" in told
    assert "not readable as the images of a case" in told and len(found.notices) == 3
    (version,) = found.cases["a1"]
    assert version["shape"] == [3, 4, 10] and version["spacing"] == [5.0, 1.0, 2.0]


def test_runs_on_the_same_image_share_it_and_a_budget_leaves_cases_out(tmp_path):
    for name in ("unet-2d-none", "vnet-2d-none"):
        write_case_images(write_run(tmp_path, name) / "epoch-0005", images_of("a1", run=name))
    collection = collect(tmp_path, "baseline")
    found = page_images.choose_pictures(collection, 1.0)["demo"]
    (version,) = found.cases["a1"]
    assert list(version["runs"]) == ["unet-2d-none", "vnet-2d-none"]
    small = page_images.choose_pictures(collection, 0.0001)["demo"]
    assert small.cases == {} and "1 did not fit" in small.note
    assert page_images.choose_pictures(collection, 0) == {}
