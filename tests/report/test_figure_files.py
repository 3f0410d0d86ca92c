"""Figures as files: true proportions, scale bars, gaps, scores; measured on the pixels."""

import dataclasses
import json

import numpy as np
import pytest
from matplotlib.image import imread
from tests.report.test_case_images import images

from mos.errors import BadInput
from mos.metrics.table import METRICS
from mos.report.case_images import write_case_images
from mos.report.figure_canvas import Page, round_length
from mos.report.figure_case import CASE_PARTS, Plan, case_figure, sheet, write_figures
from mos.report.figure_collage import (
    Contender,
    Slice,
    Style,
    collage,
    comparison,
    format_score,
    record,
)
from mos.report.figure_grid import Cell, Gap, Grid, draw
from mos.report.figure_tile import PARTS, Tile

DPI = 127  # 5 pixels a millimetre
RED = (255, 0, 0)
DICE, HD = (next(metric for metric in METRICS if metric.key == key) for key in ("dice", "hd"))
INF, NAN = float("inf"), float("nan")


def pixels(page, tmp_path) -> np.ndarray:
    """(h, w, 3) of a page saved as PNG."""
    page.save(tmp_path / "page.png")
    return np.rint(imread(tmp_path / "page.png")[..., :3] * 255).astype(np.uint8)


def extent(where: np.ndarray) -> tuple[int, int]:
    """(h, w) pixels that a mask spans."""
    rows, columns = (np.flatnonzero(where.any(axis=axis)) for axis in (1, 0))
    return rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]


def plain(rows: int, columns: int, colour=RED) -> Tile:
    return Tile(np.full((rows, columns, 3), colour, np.uint8))


def test_voxels_have_their_true_proportions(tmp_path):
    # 4 x 4 voxels of 2 x 1 mm: twice as high as wide.
    cell = Cell(tile=plain(4, 4), size=(8.0, 4.0))
    seen = pixels(draw(Grid(cells=[[cell]]), 20, DPI), tmp_path)
    assert extent((seen == RED).all(axis=2)) == (200, 100)


def test_one_scale_for_all_pictures_of_a_figure(tmp_path):
    cells = [[Cell(tile=plain(4, 4), size=(40.0, 40.0)), Cell(tile=plain(4, 4), size=(10.0, 20.0))]]
    seen = (pixels(draw(Grid(cells=cells), 20, DPI), tmp_path) == RED).all(axis=2)
    middle = seen.shape[1] // 2
    assert extent(seen[:, :middle]) == (100, 100)
    assert extent(seen[:, middle:]) == pytest.approx((25, 50), abs=1)


def test_rows_with_scales_of_their_own_are_all_as_wide(tmp_path):
    cells = [
        [Cell(tile=plain(2, 2), size=(40.0, 40.0))],
        [Cell(tile=plain(2, 2), size=(5.0, 10.0))],
    ]
    seen = (pixels(draw(Grid(cells=cells, own_scales=True), 20, DPI), tmp_path) == RED).all(axis=2)
    rows = np.flatnonzero(seen.any(axis=1))
    breaks = np.flatnonzero(np.diff(rows) > 1)
    assert extent(seen)[1] == 100 and len(breaks) == 1
    assert (rows[breaks[0]] + 1 - rows[0], rows[-1] - rows[breaks[0]]) == (
        pytest.approx(100, abs=2),
        pytest.approx(50, abs=4),
    )


def test_row_0_is_on_top_and_column_0_at_the_left(tmp_path):
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0] = RED
    seen = pixels(draw(Grid(cells=[[Cell(tile=Tile(rgb), size=(2, 2))]]), 20, DPI), tmp_path)
    found = np.argwhere((seen == RED).all(axis=2)).mean(axis=0)
    assert (found < np.array(seen.shape[:2]) / 2).all()


@pytest.mark.parametrize(
    ("most", "length"), [(9.99, 5), (10, 10), (49, 20), (0.7, 0.5), (123, 100)]
)
def test_scale_bars_have_round_lengths(most, length):
    assert round_length(most) == pytest.approx(length)


def test_a_scale_bar_is_as_long_as_it_says(tmp_path):
    # 100 mm of the patient on 20 mm of paper: the bar is 20 mm (of at most 40), 4 mm on paper, 20 pixels.
    page = Page(24, 24, DPI)
    page.tile(plain(4, 4, (0, 0, 0)), 2, 2, 20, 20)
    page.scale_bar(2, 2, 20, 20, 0.2)
    seen = pixels(page, tmp_path)[10:110, 10:110]  # the picture alone
    bright = (seen > 200).all(axis=2)
    longest = max(bright.sum(axis=1)[-15:])
    assert longest == pytest.approx(20, abs=2)


def test_text_is_never_a_formula_and_long_words_are_broken(tmp_path):
    page = Page(40, 20, DPI)
    page.text("$x_1$ \\frac{", 2, 2)
    assert page.wrap("unet[s]-3d-acdc,mnms[pretrain]", 100, 7) == ["unet[s]-3d-acdc,mnms[pretrain]"]
    lines = page.wrap("unet[s]-3d-acdc,mnms[pretrain]", 20, 7)
    assert "".join(lines) == "unet[s]-3d-acdc,mnms[pretrain]" and len(lines) > 1
    assert all(page.text_width(line, 7) <= 20 for line in page.wrap("x" * 60, 20, 7))
    pixels(page, tmp_path)


@pytest.mark.parametrize("form", ["png", "pdf", "svg"])
def test_the_same_figure_is_the_same_bytes_whatever_matplotlibrc_says(tmp_path, form):
    import matplotlib

    grid = case_figure(images(), Plan())
    draw(grid, 10, 60).save(tmp_path / f"a.{form}")
    with matplotlib.rc_context({"font.size": 30, "savefig.dpi": 11, "text.color": "red"}):
        draw(grid, 10, 60).save(tmp_path / f"b.{form}")
    assert (tmp_path / f"a.{form}").read_bytes() == (tmp_path / f"b.{form}").read_bytes()


def test_a_figure_too_large_to_open_is_refused():
    with pytest.raises(BadInput, match="more than 20000 pixels .* smaller --dpi"):
        Page(5000, 100, 300)


def test_a_case_figure_has_a_row_a_slice_and_a_column_a_part():
    grid = case_figure(images(), Plan(slices=0), "heart: Dice 0.000", "best by validation")
    assert [len(row) for row in grid.cells] == [len(CASE_PARTS)] * 2
    whose = "unet-2d-none, demo-0, epoch 7 (best by validation)"
    assert list(grid.title) == ["b17", whose, "heart: Dice 0.000"]
    assert [name for name, _ in grid.legend] == [
        "labels:", "heart", "error map:", "correct", "extra", "missed"
    ]  # fmt: skip
    assert grid.cells[0][0].size == (4.5, 5.0)  # 3 x 1.5 mm, 4 x 1.25 mm
    assert [row[0].corner for row in grid.cells] == ["1/2 · 2.5 mm", "2/2 · 7.5 mm"]


def test_sheets_take_cases_of_different_depth_and_size():
    deep = images(
        case="deep",
        image=np.zeros((1, 5, 6, 2), np.uint8),
        reference=np.ones((5, 6, 2), np.uint8),
        prediction=np.ones((5, 6, 2), np.uint8),
        positions=np.arange(5.0),
    )
    grid = sheet([images(), deep], "image+error", Plan(slices=0), "errors", "")
    assert [[cell is not None for cell in row] for row in grid.cells] == [[True] * 2] * 2 + [
        [False, True]
    ] * 3
    draw(grid, 10, 60)


def test_figures_of_an_earlier_call_go_when_they_are_not_drawn_again(tmp_path):
    paths = [write_case_images(tmp_path, images(case=f"c{i}")) for i in range(2)]
    plan = Plan(slices=1, tile_mm=5, dpi=30, sheet_cases=1)
    folder = tmp_path / "test-figures"
    written = list(write_figures(paths, folder, plan, {}))
    (folder / "sheet-mine.png").write_bytes(b"")  # a user's file stays
    assert len(written) == 2 + 2 * len(PARTS) and all(path.exists() for path in written)
    assert {f"sheet-error-{n}.png" for n in (1, 2)} <= {path.name for path in written}
    again = list(write_figures(paths[:1], folder, dataclasses.replace(plan, formats=("svg",)), {}))
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {path.name for path in again} | {"figures.json", "sheet-mine.png"}
    assert json.loads((folder / "figures.json").read_text()) == sorted(
        str(path.relative_to(folder)) for path in again
    )


def run(title: str, dice: float, hd: float = 1.0, **changes) -> Contender:
    scores = {"dice": {"b17": dice}, "hd": {"b17": hd}}
    return Contender(title=title, images={"b17": images(**changes)}, scores=scores)


ROW = Slice(case="b17", index=0, title="worst\nb17")


def test_a_comparison_has_reference_runs_and_a_gap_for_what_is_missing():
    there = run("one", 0.9)
    lost = Contender(title="two", missing="no run two")
    untested = Contender(title="three", gaps={"b17": "not predicted"}, missing="not tested")
    grid = comparison([there, lost, untested], [ROW], Style(metrics=(DICE,), zoom=None))
    assert list(grid.columns) == ["image", "reference", "one", "two", "three"]
    assert [type(cell) for cell in grid.cells[0]] == [Cell, Cell, Cell, Gap, Gap]
    assert [cell.text for cell in grid.cells[0][3:]] == ["no run two", "not predicted"]
    draw(grid, 10, 60)


def test_the_best_of_each_metric_is_bold_as_it_is_printed():
    runs = [run("a", 0.9001, 3.0), run("b", 0.9004, INF), run("c", 0.1, 2.0)]
    grid = comparison(runs, [ROW], Style(metrics=(DICE, HD), reference=False))
    assert [cell.scores for cell in grid.cells[0]] == [
        [("Dice 0.900", True), ("HD95 3.00 mm", False)],
        [("Dice 0.900", True), ("HD95 ∞ mm", False)],
        [("Dice 0.100", False), ("HD95 2.00 mm", True)],
    ]
    alike = comparison(runs[:2], [ROW], Style(metrics=(DICE,), reference=False))
    assert not any(bold for cell in alike.cells[0] for _, bold in cell.scores)


def test_scores_are_written_as_in_tables():
    assert [format_score(DICE, v, False) for v in (0.9126, NAN, 0.0)] == ["0.913", "-", "0.000"]
    assert [format_score(DICE, v, True) for v in (0.9126, 1.0)] == ["91.3", "100.0"]
    assert [format_score(HD, v, True) for v in (3.416, INF)] == ["3.42 mm", "∞ mm"]


@pytest.mark.parametrize(
    ("shape", "count"), [((4, 4), 16), ((2, 8), 13), ((4, 10), 40), ((1, 3), 2)]
)
def test_any_grid_is_filled_row_by_row(shape, count):
    runs = [run(f"r{number}", number / 100) for number in range(count)]
    grid = collage(runs, ROW, shape, Style(metrics=(DICE,)))
    rows, columns = shape
    extra = 2 if rows == 1 else 1
    assert [len(row) for row in grid.cells] == [columns + extra] * rows
    titles = [title for row in grid.captions for title in row[extra:] if title]
    assert titles == [f"r{number}" for number in range(count)]
    first = [row[:extra] for row in grid.captions]
    assert sum(first, [])[:2] == (["image", "reference"] if rows == 1 else ["reference", "image"])
    draw(grid, 6, 40)


def test_a_grid_without_a_reference_says_where_the_slice_is():
    grid = collage([run("a", 0.5)], ROW, (1, 1), Style(reference=False))
    assert grid.cells[0][0].corner == "1/2 · 2.5 mm" and grid.cells[0][0].bar


def test_two_runs_of_one_title_are_two():
    prediction = np.ones((2, 3, 4), np.uint8)
    runs = [run("same", 0.1), run("same", 0.9, prediction=prediction)]
    left, right = comparison(runs, [ROW], Style(reference=False)).cells[0]
    assert not np.array_equal(left.tile.rgb, right.tile.rgb)


def test_the_record_counts_errors_that_the_frame_hides():
    reference, prediction = np.zeros((2, 2, 9, 9), np.uint8)
    reference[0, 4, 4] = prediction[0, 4, 4] = prediction[0, 0, 0] = prediction[0, 3, 4] = 1
    far = dict(
        image=np.zeros((1, 2, 9, 9), np.uint8), reference=reference, prediction=prediction,
        spacing=(1.0, 1.0, 1.0),
    )  # fmt: skip
    lost = Contender(title="two", missing="no run two")
    (entry,) = record([run("one", 0.5, INF, **far), lost], [ROW], Style(metrics=(DICE, HD), zoom=1))
    assert (entry["case"], entry["chosen"], entry["slice"]) == ("b17", "worst", 1)
    one, two = entry["runs"]
    assert (one["wrong_voxels"], one["wrong_voxels_outside"]) == (2, 1)
    assert (one["dice"], one["hd"]) == (0.5, "inf")
    assert (two["missing"], two["dice"]) == ("no run two", None)
    json.dumps(entry, allow_nan=False)
