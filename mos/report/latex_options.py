"""The `--latex_*` options of `cmd/summary`, and the LaTeX tables it writes."""

import re
from collections.abc import Collection as Some
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mos.arguments import option
from mos.errors import BadInput
from mos.near_miss import did_you_mean

if TYPE_CHECKING:
    from mos.report.collection import Collection
    from mos.report.latex import Lines
    from mos.report.latex_style import Style

FOLDER = "latex"


@dataclass(frozen=True, kw_only=True)
class LatexOptions:
    """How the tables of a paper look."""

    latex_metrics: str = option(
        "",
        "metrics of the tables; those between two ; share an overview, as in dice,hd,nsd or dice;hd; empty: "
        "dice,iou;msd,hd or, of landmarks, mre;sdr2,sdr25,sdr3,sdr4",
        group="LaTeX tables",
    )
    latex_cost: str = option(
        "",
        "columns of the overviews behind the scores: some of parameters, samples_per_second, epoch_seconds, "
        "total_hours, peak_memory, case_seconds, as in cost.csv",
    )
    latex_percent: bool = option(False, "shares such as dice in percent, one decimal")
    latex_spread: Literal["sd", "interval", "none"] = option(
        "sd",
        "behind a mean: sd over cases, 95 % interval of the mean (bootstrap over patients), or none",
    )
    latex_columns: str = option(
        "",
        "parts of the runs' names that the overview has in columns: dims, aux or dims,aux; empty: in rows",
    )
    latex_runs: tuple[str, ...] = option(
        (),
        "runs to show, in this order, * for anything: 'unet-*' 'resunet-3d-none'; best, tests and ranks are "
        "then among these; none given: all",
    )
    latex_names: tuple[str, ...] = option(
        (),
        r"what to print, in LaTeX, for a network, run, label, dataset or set: 'unet=U-Net~\cite{unet}' "
        "'unet-3d-none[wide]=Ours'",
    )
    latex_caption: tuple[str, ...] = option(
        (),
        r"captions, in LaTeX: 'overview=Results on <dataset>.' 'pairs=...'; also folds, labels, counts, matrix, "
        "ranking, zeroshot, seeds; <dataset>, <metrics> and <set> are filled in",
    )
    latex_label: str = option("tab:", r"what every \label begins with, before <dataset>-<table>")
    latex_width: float = option(
        122.0, "mm of the text (LNCS 122, two-column papers about 85); font sizes are chosen to fit"
    )
    latex_environment: Literal["table", "table*", "sidewaystable"] = option(
        "table",
        "table* spans two columns, sidewaystable is landscape (with the page's height as --latex_width)",
    )
    latex_rows: int = option(40, "rows of one table; more make a second part")

    def check(self) -> None:
        """Raises BadInput for what can be seen without knowing the task or reading runs."""
        read_columns(self.latex_columns)
        read_costs(self.latex_cost)
        read_captions(self.latex_caption)
        if not re.fullmatch(r"[A-Za-z0-9:./+_-]*", self.latex_label):
            raise BadInput(
                f"--latex_label: {self.latex_label!r} must be letters, digits and : . / + _ -, as in tab:"
            )
        if not 40 <= self.latex_width <= 1000:
            raise BadInput(
                f"--latex_width: {self.latex_width:g} mm is no text width; give 40 to 1000"
            )
        if self.latex_rows < 2:
            raise BadInput(f"--latex_rows: {self.latex_rows} is too few; give 2 or more")


def write(output: Path, collection: "Collection", lines: "Lines", style: "Style") -> Path:
    """Writes all tables below `<output>/latex` and returns the document that shows them.

    Raises:
        BadInput: the folder cannot be written to.
    """
    from mos.files import write_text
    from mos.report import latex

    written = latex.files(collection, lines, style)
    folder = output / FOLDER
    for one in written:
        if not _has(folder / one.path, one.text):  # flushing forty files to disk takes seconds
            write_text(folder / one.path, one.text)
        if one.share > 1:
            print(
                f"{one.path} is wider than {style.layout.width:g} mm at the smallest font and will be shrunk; "
                "--latex_environment sidewaystable, --latex_spread none or fewer --latex_metrics help"
            )
    _remove_others(folder, {folder / one.path for one in written})
    return folder / written[-1].path


def style_of(options: LatexOptions, collection: "Collection") -> "Style":
    """The options as the tables read them.

    Raises:
        BadInput: an option that names what is not there, or LaTeX that would not compile.
    """
    from mos.report.latex_names import known_names
    from mos.report.latex_style import Style
    from mos.report.latex_table import Layout

    known = known_names(collection.runs, [stage for _, stage in collection.stages])
    style = Style(
        metrics=read_metrics(options.latex_metrics, collection.task),
        percent=options.latex_percent,
        spread=options.latex_spread,
        columns=read_columns(options.latex_columns),
        costs=read_costs(options.latex_cost),
        runs=options.latex_runs,
        names=read_names(options.latex_names, known),
        captions=read_captions(options.latex_caption),
        label=options.latex_label,
        layout=Layout(
            width=options.latex_width,
            environment=options.latex_environment,
            rows=options.latex_rows,
        ),
    )
    runs = sorted({run.name for run in collection.runs})
    for pattern in style.runs:
        if not any(style.fits(pattern, run) for run in runs):
            raise BadInput(
                f"--latex_runs: no run is called {pattern!r}{did_you_mean(pattern, runs)}; the runs are "
                f"{', '.join(runs[:10])}{', ...' if len(runs) > 10 else ''}"
            )
    return style


def read_metrics(text: str, task: str) -> tuple[tuple[str, ...], ...]:
    """`dice,iou;msd,hd` -> (("dice", "iou"), ("msd", "hd")); empty: what papers print of the task.

    Raises:
        BadInput: a metric the task has not, one twice in a group, or none.
    """
    from mos.report.metric import metrics_of, of_points

    metrics = metrics_of(task)
    keys = [metric.key for metric in metrics]
    usual = f"{keys[0]};{','.join(keys[1:])}" if of_points(metrics) else "dice,iou;msd,hd"
    text = text or usual
    groups = [[key.strip() for key in part.split(",")] for part in text.split(";") if part.strip()]
    for group in groups:
        for key in group:
            if key not in keys:
                raise BadInput(
                    f"--latex_metrics: {key!r} is no metric of {task}{did_you_mean(key, keys)}; give some of "
                    f"{', '.join(keys)}, tables apart by ;, as in {usual!r}"
                )
        if len(set(group)) < len(group):
            raise BadInput(f"--latex_metrics: {','.join(group)!r} names a metric twice")
    if not groups:
        raise BadInput(f"--latex_metrics: no metric is named; give for instance {usual!r}")
    return tuple(map(tuple, groups))


def read_columns(text: str) -> tuple[str, ...]:
    """`dims,aux` -> ("dims", "aux").

    Raises:
        BadInput: another word than these two, or one twice.
    """
    parts = _words(text)
    if set(parts) - {"dims", "aux"} or len(set(parts)) < len(parts):
        raise BadInput(
            f"--latex_columns: {text!r} must be dims, aux, dims,aux or aux,dims, or empty"
        )
    return parts


def read_costs(text: str) -> tuple[str, ...]:
    """`parameters,samples_per_second` -> ("parameters", "samples_per_second").

    Raises:
        BadInput: what is no column of cost.csv, or one twice.
    """
    from mos.report.latex_cost import COLUMNS

    keys = _words(text)
    for key in keys:
        if key not in COLUMNS:
            raise BadInput(
                f"--latex_cost: {key!r} is no cost{did_you_mean(key, COLUMNS)}; give some of "
                f"{', '.join(COLUMNS)}"
            )
    if len(set(keys)) < len(keys):
        raise BadInput(f"--latex_cost: {text!r} names one twice")
    return keys


def read_captions(words: Sequence[str]) -> dict[str, str]:
    """`overview=Results on ACDC.` -> {"overview": "Results on ACDC."}; LaTeX, one word per table.

    Raises:
        BadInput: no such table, or LaTeX that would not compile.
    """
    from mos.report.latex_style import KINDS
    from mos.report.latex_text import check_tex

    found = {}
    for word in words:
        kind, equals, caption = word.partition("=")
        if not equals or kind not in KINDS:
            raise BadInput(
                f"--latex_caption: {word!r} names no table; write <table>=<caption>, <table> being one of "
                f"{', '.join(KINDS)}"
            )
        found[kind] = check_tex(caption, "--latex_caption")
    return found


def read_names(words: Sequence[str], known: Some[str]) -> dict[str, str]:
    r"""`unet=U-Net~\cite{unet}` -> {"unet": r"U-Net~\cite{unet}"}.

    A name may hold `=`, as `[learning_rate=1e-3]` does: it ends at the first `=` before which there is
    one of `known`.

    Raises:
        BadInput: a name that nothing has, or LaTeX that would not compile.
    """
    from mos.report.latex_text import check_tex

    found = {}
    for word in words:
        places = [match.start() for match in re.finditer("=", word)]
        at = next((at for at in places if word[:at] in known), None)
        if at is None:
            name = word.rpartition("=")[0] or word
            raise BadInput(
                f"--latex_names: nothing in these runs is called {name!r}{did_you_mean(name, known)}; write "
                "<name>=<what to print>, the name being that of a network, a run, a label, a dataset, or an "
                "auxiliary or zero-shot set"
            )
        found[word[:at]] = check_tex(word[at + 1 :], "--latex_names")
    return found


def _words(text: str) -> tuple[str, ...]:
    """`a, b` -> ("a", "b")."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _has(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _remove_others(folder: Path, kept: Some[Path]) -> None:
    """Tables of an earlier summary that are no more: nobody should paste an old one."""
    mine = "written by MOS (cmd/summary)"
    for path in folder.rglob("*.tex"):
        if path not in kept and mine in path.read_text(encoding="utf-8", errors="replace")[:300]:
            path.unlink()
