"""Lists of points: what a CSV and the challenge's JSON may say, and what is refused with its line."""

import json

import numpy as np
import pytest

from mos.errors import BadInput
from mos.io.csv_points import read_point_csv
from mos.io.json_points import read_point_json

GOOD = "file,scale,p1x,p1y,p2x,p2y\na.png,0.1,1,2,3,4.5\nb.png,0.2,5,6,,\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def read(folder, text, **more):
    (folder / "list.csv").write_text(text, encoding="utf-8")
    return read_point_csv(folder / "list.csv", **more)


def test_the_plain_form(folder):
    found = read(folder, GOOD)
    assert found.names == ("1", "2") and found.unused == ()
    one, two = found.rows
    assert (one.file, one.scale) == (folder / "a.png", (0.1, 0.1))
    assert one.points.tolist() == [[1, 2], [3, 4.5]]
    assert two.points[0].tolist() == [5, 6] and np.isnan(two.points[1]).all()
    assert (one.patient, one.split) == (None, None)
    assert one.where == f"{folder / 'list.csv'} line 2"


def test_a_table_program_may_part_cells_otherwise_and_mark_its_utf8(folder):
    found = read(folder, "\ufeff" + GOOD.replace(",", ";").replace("\n", "\r\n") + "\r\n\r\n")
    assert [row.file.name for row in found.rows] == ["a.png", "b.png"]


def test_named_points_scales_for_each_axis_and_columns_nobody_needs(folder):
    head = "file,px_x_mm,px_y_mm,sex,ofd_left_x,ofd_left_y,nose x,nose y,patient,split,index\n"
    found = read(folder, head + "a.png,0.1,0.2,f,1,2,3,4,p7,test,9\n")
    assert found.names == ("ofd_left", "nose")
    assert found.unused == ("sex", "index")
    (row,) = found.rows
    assert (row.scale, row.patient, row.split) == ((0.1, 0.2), "p7", "test")


def test_pictures_may_lie_in_images_or_where_one_says(folder):
    (folder / "images").mkdir()
    (folder / "images" / "d.png").write_bytes(b"x")
    text = "file,p1x,p1y\nd.png,1,2\n"
    assert read(folder, text).rows[0].file == folder / "images" / "d.png"
    assert read(folder, text).rows[0].scale is None
    assert read(folder, text, images=folder / "images").rows[0].file.name == "d.png"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty"),
        ("file,scale,p1x,p1y\n", "a header and no rows"),
        (GOOD.replace("file", "picture"), "no column 'file'"),
        ("file,scale\na.png,1\n", "no pair of columns such as p1x, p1y"),
        (GOOD.replace("p2y", "p1y"), "column 'p1y' is there twice"),
        (GOOD.replace("p2y", "p3y"), "point p2 has a column for x, none for y"),
        (GOOD.replace("b.png", "d.png"), "line 3: no such file d.png in .*--images"),
        (GOOD.replace("b.png", "a.png"), "line 3: .*a.png stands in line 2 already"),
        (GOOD.replace("4.5", "4.5,7"), "line 2: 7 cells, but the header has 6"),
        (GOOD.replace(",4.5", ""), "line 2: 5 cells.*the same 2 points"),
        (GOOD.replace("4.5", "left"), "line 2: p2y is 'left', needs a number"),
        (GOOD.replace("4.5", "inf"), "line 2: p2y is 'inf', needs a number"),
        (GOOD.replace("4.5", ""), "line 2: point p2 has only one of x and y"),
        (GOOD.replace("0.1", "0"), "line 2: scale is '0', needs mm per pixel above 0"),
        (GOOD.replace("0.1", ""), "line 2: scale is '', needs a number"),
        (GOOD.replace("b.png", ""), "line 3: column 'file' is empty"),
    ],
)
def test_a_csv_that_cannot_be_right_is_refused_with_its_line(folder, text, words):
    with pytest.raises(BadInput, match=words):
        read(folder, text)


def test_a_csv_that_is_not_there_or_no_text(folder):
    with pytest.raises(BadInput, match="no such file"):
        read_point_csv(folder / "other.csv")
    (folder / "list.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read as UTF-8"):
        read_point_csv(folder / "list.csv")


def entry(name, x, y, image, **more):
    return {"name": name, "point": [x, y, image], **more}


def read_json(folder, points, count=2):
    (folder / "gt.json").write_text(json.dumps({"points": points}))
    return read_point_json(folder / "gt.json", count)


def test_the_json_of_the_challenge(folder):
    points = [
        entry(str(name), 10 * image + name, 0.5, image, scale="0.125" if image == 1 else 0.1)
        for image in (2, 1)
        for name in (1, 10, 2)
    ]
    found = read_json(folder, points, count=3)
    assert found.names == ("1", "2", "10")
    one, two = found.rows
    assert (one.number, two.number) == (0, 1) and one.file is None
    assert one.points.tolist() == [[11, 0.5], [12, 0.5], [20, 0.5]]
    assert (one.scale, two.scale) == ((0.125, 0.125), (0.1, 0.1))


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], '"points"'),
        ([entry("1", 1, 2, 3)], r"points\[0\]: names image 3, but the stack has images 1 to 2"),
        ([entry("1", 1, 2, 0)], "names image 0"),
        ([entry("1", 1, 2, 1.5)], "names image 1.5"),
        ([entry("1", 1, 2, 1)] * 2, r"points\[1\]: point 1 of image 1 is there twice"),
        ([entry("1", "left", 2, 1)], "x is 'left', needs a number"),
        ([entry("1", 1, None, 1)], "y is None, needs a number"),
        ([{"name": "1", "point": [1, 2]}], "needs a name and a point"),
        (["1"], "needs a name and a point"),
        ([entry("1", 1, 2, 1, scale="wide")], "scale is 'wide', needs a number"),
        (
            [entry("1", 1, 2, 1, scale=0.1), entry("2", 1, 2, 1, scale=0.2)],
            "scale 0.2, but image 1 had 0.1 before",
        ),
        (
            [entry("1", 1, 2, 1), entry("2", 1, 2, 1), entry("1", 1, 2, 2)],
            "unequal point counts: image 2 has 1 points and lacks 2, others have 2",
        ),
    ],
)
def test_a_json_that_cannot_be_right_is_refused(folder, points, words):
    with pytest.raises(BadInput, match=words):
        read_json(folder, points)


def test_a_json_that_is_none(folder):
    (folder / "gt.json").write_text("{")
    with pytest.raises(BadInput, match="no JSON text"):
        read_point_json(folder / "gt.json", 2)
    with pytest.raises(BadInput, match="no such file"):
        read_point_json(folder / "other.json", 2)
