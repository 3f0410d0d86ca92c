"""Which runs are one training with other seeds, and what their spread is."""

import numpy as np
import pytest

from mos.report.analysis import analyse
from mos.report.collect import collect
from mos.report.seed_table import seed_lines
from mos.report.seeds import find_contenders, seed_notices
from mos.report.sheet import sheets
from tests.report.made_up_runs import change_record, write_run
from tests.report.score_rows import contenders_of, rows_of


def seeded(root, name, seed, *, setting="demo-0", base=0.8, options=None, **parts):
    """A run of a seed, with options as the engine records them."""
    parts = {"network": "unet", "tag": "", "dims": 2, "aux": "none"} | parts
    folder = write_run(root, name, setting=setting, base=base, parts=parts)
    options = {"seed": str(seed), "learning_rate": "0.001", "dir_postfix": name} | (options or {})
    change_record(folder, options=options, seed=seed, identity={"model": "unet", "seed": seed})
    return folder


def contenders(root):
    return find_contenders(collect(root, "baseline").runs)


def test_runs_that_differ_in_seed_and_name_are_one_contender_whatever_they_are_called(tmp_path):
    seeded(tmp_path, "unet-2d-none[again]", 10)
    seeded(tmp_path, "unet-2d-none", 0)
    seeded(tmp_path, "unet[b]-2d-none[x]", 9, tag="b", options={"tag": "b"})
    (one,) = contenders(tmp_path)
    assert one.name == "unet-2d-none" and one.seeds == ("0", "9", "10")
    assert one.runs == ("unet-2d-none", "unet[b]-2d-none[x]", "unet-2d-none[again]")
    assert one.title == "unet-2d-none (3 seeds)"


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"learning_rate": "0.01"}},
        {"dims": 3},
        {"network": "resunet"},
        {"aux": "acdc"},
        {"setting": "other-0"},
        {"setting": "demo-1"},
        {"seed": 0},
    ],
    ids=str,
)
def test_whatever_else_differs_makes_it_another_training(tmp_path, change):
    seeded(tmp_path, "unet-2d-none", 0)
    seeded(tmp_path, "unet-2d-none[seed1]", **{"seed": 1} | change)
    assert [one.runs for one in contenders(tmp_path)].count(("unet-2d-none",)) == 1
    assert len(contenders(tmp_path)) == 2


def test_folds_of_a_training_may_be_fewer_than_those_of_its_repetition(tmp_path):
    seeded(tmp_path, "unet-2d-none", 0)
    seeded(tmp_path, "unet-2d-none", 0, setting="demo-1")
    seeded(tmp_path, "unet-2d-none[seed1]", 1)
    (one,) = contenders(tmp_path)
    assert one.runs == ("unet-2d-none", "unet-2d-none[seed1]")


def test_a_run_whose_record_is_broken_stands_for_itself(tmp_path):
    for name, seed in (("unet-2d-none", 0), ("unet-2d-none[seed1]", 1)):
        folder = seeded(tmp_path, name, seed)
    (folder / "run.json").write_text("{")
    assert len(contenders(tmp_path)) == 2


def test_single_seeds_are_warned_of_and_told_from_repeated_ones(tmp_path):
    seeded(tmp_path, "unet-2d-none", 0)
    assert [n.text for n in seed_notices(contenders(tmp_path))] == [
        "one run per cell: no seeds, so the spread between trainings is not known"
    ]
    seeded(tmp_path, "unet-2d-none[seed1]", 1)
    assert not [n for n in collect(tmp_path, "baseline").notices if n.kind == "seeds"]
    seeded(tmp_path, "unet-3d-none", 1, dims=3)
    (notice,) = seed_notices(contenders(tmp_path))
    assert (notice.kind, notice.dataset) == ("seeds", "demo")
    assert notice.text.startswith("1 of 2 trainings have one seed")


def test_the_spread_between_seeds_is_over_the_cases_that_all_of_them_scored():
    rows = rows_of(
        {
            "one": dict(a=2.0, b=4.0, c="missed", d=9.0),
            "one[1]": dict(a=3.0, b=5.0, c=1.0),
            "one[2]": dict(a=7.0, b=5.0, c=1.0),
        },
        key="msd",
    )
    (line,) = seed_lines(
        sheets(rows, contenders_of(rows, teams={"one": ["one", "one[1]", "one[2]"]}))
    )
    spread = line.metrics["msd"]
    assert (line.cases, line.patients, spread.cases, spread.left_out) == (3, 3, 2, 1)
    assert spread.means == (3, 4, 6) and spread.mean == pytest.approx(13 / 3)
    assert spread.sd == pytest.approx(np.std([3, 4, 6], ddof=1))


def test_the_analysis_of_a_tree_compares_and_ranks_the_mean_over_seeds(tmp_path):
    for seed, base in ((0, 0.8), (1, 0.9)):
        seeded(tmp_path, f"unet-2d-none[{seed}]", seed, base=base)
    seeded(tmp_path, "unet-3d-none", 0, dims=3, base=0.7)
    found = analyse(collect(tmp_path, "baseline"))
    entry = found.comparisons.between(
        "demo", "test", None, "dice", "unet-2d-none[1]", "unet-3d-none"
    )
    assert entry.difference == pytest.approx(0.15) and entry.cases == 4 and entry.patients == 3
    ranking = next(one for one in found.rankings if one.metric == "dice")
    assert ranking.contenders == ("unet-2d-none[0]", "unet-3d-none")
    (line,) = found.seeds
    # A case's mean over its two labels is 0.05 below its base, the cases' mean 0.03 below that.
    assert line.metrics["dice"].means == pytest.approx((0.72, 0.82))
