"""Names in any script: drawn by a font that has the letters, or as numbers with a word on what to install."""

import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from mos.report import figure_font
from mos.report.figure_canvas import Page
from mos.report.figure_font import SHIPPED, drawable

# No installed font is needed: matplotlib ships some that have letters its usual one lacks.
OTHER = str(Path(matplotlib.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf"))


@pytest.fixture
def fonts(monkeypatch):
    """Sets which font files the machine has."""
    figure_font._told.clear()

    def have(*paths):
        drawable.cache_clear()
        monkeypatch.setattr(figure_font, "installed", lambda: paths)

    yield have
    drawable.cache_clear()


def lacked_letter():
    letters = figure_font._letters(OTHER) - figure_font._letters(figure_font._shipped())
    return min(letter for letter in letters if letter.isalpha())


def test_usual_names_look_for_no_font(monkeypatch):
    monkeypatch.setattr(figure_font, "installed", lambda: pytest.fail("looked for fonts"))
    assert drawable("U-Net 3-D, Müller, Ω\nДом") == ("U-Net 3-D, Müller, Ω\nДом", (SHIPPED,))


def test_a_letter_the_usual_font_lacks_is_drawn_by_one_that_has_it(fonts, tmp_path, capsys):
    fonts(OTHER)
    name = f"case {lacked_letter()}"
    assert drawable(name) == (name, (SHIPPED, "STIXGeneral"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that it cannot draw
        for ending in ("png", "pdf", "svg"):
            page = Page(40, 10, 100)
            page.text(name, 1, 1, bold=True)
            page.save(tmp_path / f"figure.{ending}")
    drawn = matplotlib.image.imread(tmp_path / "figure.png")
    assert np.ptp(drawn[..., :3]) > 0.5 and capsys.readouterr().err == ""


def test_without_a_font_letters_stand_as_numbers_and_one_note_says_what_to_install(fonts, capsys):
    fonts()
    names = [drawable(name)[0] for name in ("心脏", "患者一", "患者二", "x \U00020000")]
    assert names == [r"\u5fc3\u810f", r"\u60a3\u8005\u4e00", r"\u60a3\u8005\u4e8c", r"x \U00020000"]
    said = capsys.readouterr().err
    assert said.count("note:") == 1 and "fonts-noto-cjk" in said and r"'心'" in said


def test_the_numbers_fit_where_the_name_would(fonts):
    fonts()
    page = Page(60, 40, 100)
    lines = page.wrap("患者一二三四", 20, 7)
    assert len(lines) > 1 and all(page.text_width(line, 7) <= 20 for line in lines)


def test_a_file_that_is_no_font_is_passed_over(fonts, tmp_path):
    broken = tmp_path / "wqy.ttf"
    broken.write_text("no font")
    fonts(str(broken), OTHER)
    assert drawable(lacked_letter())[1] == (SHIPPED, "STIXGeneral")
