"""cmd/plot-test and cmd/summary-image on a stored run: what is drawn is what was scored."""

import json
import shutil

import numpy as np
import pytest
import torch
from tests.whole.conftest import UNET2D, Press, told

from mos.engine.lock import RunLock
from mos.report.case_images import load_case_images

PLOT, COLLAGE = "baseline/cmd/plot-test", "baseline/cmd/summary-image"
SMALL = ("--device", "cpu", "--tile_mm", "6", "--dpi", "30", "--slices", "2")


@pytest.fixture
def press(trained, tmp_path) -> Press:
    """A copy of the trained run, in a tree of its own."""
    shutil.copytree(trained.folder, tmp_path / "checkpoint", symlinks=True)
    return Press(trained.python, trained.cache, tmp_path / "checkpoint")


def scores_of(epoch) -> dict[str, torch.Tensor]:
    return torch.load(epoch / "test-metrics.pt", weights_only=True)


def test_predictions_are_those_that_were_scored_and_are_made_once(press):
    best = press.run() / "best"
    said = press(PLOT, "--run", press.run(), *SMALL).stdout
    table = scores_of(best)
    count = len(table["case"])
    assert f"{count} cases predicted, 0 were there" in said and "note:" not in said
    for row, case in enumerate(table["case"]):
        images = load_case_images(best / "test-images" / f"{case}.npz")
        assert (images.run, images.setting) == ("unet-2d-none", "phantom-tiny")
        for label in images.scored:
            true, found = images.reference == label, images.prediction == label
            total = true.sum() + found.sum()
            dice = 2 * (true & found).sum() / total if total else np.nan
            assert dice == pytest.approx(
                float(table["raw_dice"][row, label]), abs=1e-6, nan_ok=True
            )
        assert (best / "test-figures" / "cases" / f"{case}.png").stat().st_size > 1000
    sheets = {path.name for path in (best / "test-figures").glob("sheet-*.png")}
    assert {"sheet-image.png", "sheet-error.png", "sheet-image+error.png"} < sheets and len(
        sheets
    ) == 7

    # Broken, missing, and of other weights: exactly those are made again.
    files = sorted((best / "test-images").glob("*.npz"))
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:100])
    files[1].unlink()
    said = press(PLOT, "--run", press.run(), "--figures", "false", "--device", "cpu").stdout
    assert f"2 cases predicted, {count - 2} were there" in said
    assert files[0].read_bytes() == whole
    weights = best.resolve() / "weights.safetensors"
    changed = weights.read_bytes()[:-4] + b"\0\0\0\1"
    weights.write_bytes(changed)
    said = press(PLOT, "--run", press.run(), "--figures", "false", "--device", "cpu").stdout
    assert f"{count} cases predicted, 0 were there" in said


def test_what_cannot_be_drawn_is_refused_with_what_there_is(press):
    run = press.run()
    cases = scores_of(run / "best")["case"]
    refused = lambda *words: told(press(PLOT, "--run", run, *SMALL, *words, code=2))  # noqa: E731
    said = refused("--cases", "nobody")
    assert "case 'nobody': is no test case of" in said and cases[0] in said
    assert "there is no label 9; the run has 1 " in refused("--cases", cases[0], "--labels", "9")
    assert "--channel 3: the images have channels 0 to 0" in refused("--channel", "3")
    assert "stores no weights of it" in refused("--epoch", "99")
    assert "--formats gif: needs any of png pdf svg" in refused("--formats", "gif")
    with RunLock(run):
        assert "in use by process" in refused()
    assert not (run / "best" / "test-figures").exists()


def test_a_launcher_draws_its_own_run(press):
    said = press(UNET2D, "--run_plot_test", "--device", "cpu", COUNT="4").stdout
    assert "cases predicted" in said and "figures in" in said
    assert list((press.run() / "best" / "test-figures").glob("*.png"))


def test_a_collage_of_runs_predicts_only_what_it_shows(press):
    run = press.run()
    shutil.copytree(run, run.with_name("unet-2d-none[twin]"), symlinks=True)
    record = json.loads((run / "run.json").read_text())
    (run.with_name("unet-2d-none[twin]") / "run.json").write_text(
        json.dumps(record | {"name": "unet-2d-none[twin]", "postfix": "[twin]"})
    )
    names = ("unet-2d-none", "unet-2d-none[twin]", "resunet-3d-none")
    size = ("--device", "cpu", "--dpi", "40", "--cases", "worst")
    said = press(COLLAGE, "--run", *names, *size, "--metric", "dice", "hd").stdout
    assert "there is no run resunet-3d-none" in said
    folder = press.folder / "summary" / "images" / "phantom-tiny"
    assert (folder / "comparison.png").stat().st_size > 1000
    (shown,) = json.loads((folder / "comparison.json").read_text())["slices"]
    table = scores_of(run / "best")
    dice = dict(zip(table["case"], table["dice"].tolist(), strict=True))
    assert dice[shown["case"]] == min(dice.values()) and shown["chosen"] == "worst"
    one, two, lost = shown["runs"]
    assert one["dice"] == two["dice"] == pytest.approx(dice[shown["case"]])
    assert (
        one["wrong_voxels"] == two["wrong_voxels"] and lost["missing"] == "no run resunet-3d-none"
    )
    stored = [path.stem for path in (run / "best" / "test-images").iterdir()]
    assert stored == [shown["case"]]
    # With all runs there, in a grid.
    press(COLLAGE, *size, "--grid", "2x8", "--formats", "png", "pdf", "--predict", "false")
    assert {path.suffix for path in (folder / "2x8").iterdir()} == {".png", ".pdf", ".json"}
    said = told(press(COLLAGE, *size, "--grid", "1x1", code=2))
    assert "holds 1 runs" in said or "has 2 runs" in said
    assert "no run of it" in told(press(COLLAGE, "--setting", "liver", code=2))
    assert "none is there; phantom-tiny has unet-2d-none" in told(
        press(COLLAGE, "--run", "x", code=2)
    )
