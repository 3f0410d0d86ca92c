"""Names and numbers as LaTeX: nothing of a user's text is TeX, digits stand below each other."""

import pytest

from mos.errors import BadInput
from mos.report.latex_text import aligned, check_tex, escape, number, p_value, slug, slugs


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("unet_2d", r"unet\_2d"),
        ("50%", r"50\%"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("$x^2~#&", r"\$x\textasciicircum{}2\textasciitilde{}\#\&"),
        ("[s]*", "{[}s{]}{*}"),  # behind \\ a bare [ is the row's height
        ("a--b", "a-{}-b"),  # else a dash
        ("a\nb\t c", "a b c"),
        ("M\u00fcller", r"M\"{u}ller"),
        ("Mu\u0308ller", r"M\"{u}ller"),  # as macOS writes file names
        ("\u4e2d", "\\mosunicode{\u4e2d}{U+4E2D}"),
        ("a\u200bb\x07", "ab"),
    ],
)
def test_every_sign_of_a_name_is_text(text, tex):
    assert escape(text) == tex


def test_what_an_author_writes_stays_latex():
    good = r"U-Net~\cite{ronneberger_15}, $p_1$, 50\,\% \textbf{ours}"
    assert check_tex(good, "--x") == good
    assert check_tex("two\nlines", "--x") == "two lines"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("50 % of", r"bare %; write \%"),
        ("a_b", r"bare _; write \_"),
        (r"\textbf{ours", "braces"),
        ("ours}", "braces"),
        ("$x", r"\$ without"),
        ("ours\\", "textbackslash"),
    ],
)
def test_what_would_not_compile_is_refused_with_what_to_write(text, told):
    with pytest.raises(BadInput, match=told.replace("\\", "\\\\").replace("\\\\$", "\\$")) as error:
        check_tex(text, "--latex_caption")
    assert "--latex_caption" in str(error.value)


def test_names_of_files_differ_even_where_a_disk_ignores_case():
    assert slug("\u00e9t\u00e9_[1] %") == "ete-1"
    assert slugs(["a b", "a_b", "A-B", "\u4e2d"]) == {
        "a b": "a-b",
        "a_b": "a-b-2",
        "A-B": "A-B-3",
        "\u4e2d": "x",
    }


def test_numbers_have_a_real_minus_and_no_minus_zero():
    assert [number(v, 2) for v in (1.005, -0.5, -0.001, float("nan"), float("inf"))] == [
        "1.00",
        "$-$0.50",
        "0.00",
        "--",
        r"$\infty$",
    ]


def test_shorter_numbers_are_filled_up_in_front():
    assert aligned(["9.50", "46.80", "--"]) == [r"\phantom{0}9.50", "46.80", "--"]
    assert aligned(["$-$1", "1"]) == ["$-$1", r"\phantom{$-$}1"]


def test_rounding_never_carries_p_over_the_limit():
    assert p_value(0.04996) == "0.04996" and p_value(0.0496) == "0.0496"
    assert p_value(0.0314) == "0.031" and p_value(0.0004) == "$<$0.001" and p_value(1.0) == "1.000"
    assert p_value(float("nan")) == "--"
