"""Whose row it is: the parts of the runs' names as LaTeX columns, and as one short name."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mos.report.latex_flags import Flags
from mos.report.latex_style import Style
from mos.report.latex_text import NOTHING, escape
from mos.report.run_record import Run
from mos.report.zeroshot import STAGE

PARTS = ("network", "dims", "aux", "variant")
_DIMS = ("2d", "3d", "")
HEADINGS = {"network": "Network", "dims": "Dim.", "aux": "Aux. data", "variant": "Variant"}


@dataclass(frozen=True, kw_only=True)
class Names:
    """The runs of one dataset. Parts that all of them share are left out of columns and said in a note."""

    parts: dict[str, dict[str, str]]  # run name -> each of PARTS, as LaTeX
    order: dict[str, tuple]
    varying: tuple[str, ...]  # of PARTS; network always
    note: str  # what they share; "" for nothing worth saying
    sized: bool = False  # dims are image sizes, as of landmarks

    @classmethod
    def of(cls, runs: Sequence[Run], style: Style) -> "Names":
        """The names of `runs` of one dataset; a run of several folds is one."""
        once = {run.name: run for run in runs}
        parts = {name: _parts(run, style) for name, run in once.items()}
        # Folders copied by hand can carry the same parts: then their names tell them apart.
        count = Counter(tuple(of.values()) for of in parts.values())
        for name, of in parts.items():
            if count[tuple(of.values())] > 1:
                of["network"] = escape(name)
        varying = ["network"]
        shared = []
        for key in PARTS[1:]:
            values = {of[key] for of in parts.values()}
            if len(values) > 1:
                varying.append(key)
            elif values - {NOTHING, ""}:
                shared.append(_shared(key, values.pop()))
        order = {name: (style.place(name) or 0, run.order) for name, run in once.items()}
        note = f"All runs: {', '.join(shared)}." if shared and len(once) > 1 else ""
        sized = any(run.dims not in _DIMS for run in runs)
        return cls(parts=parts, order=order, varying=tuple(varying), note=note, sized=sized)

    @property
    def headings(self) -> tuple[str, ...]:
        known = HEADINGS | ({"dims": "Size"} if self.sized else {})
        return tuple(known[key] for key in self.varying)

    def lead(self, run: str, flags: str = "") -> tuple[str, ...]:
        """The cells that name a run, its flags behind the last part that says something."""
        cells = [self.parts[run][key] for key in self.varying]
        said = [i for i, cell in enumerate(cells) if cell not in ("", NOTHING)]
        cells[said[-1]] += flags
        return tuple(cells)

    def leads(self, runs: Sequence[str], flags: Flags) -> list[tuple[tuple[str, ...], bool]]:
        """The cells that name each run, and whether a little space goes above its row.

        Runs of one network below each other have its name once, and space around them.
        """
        found, before = [], None
        networks = [self.parts[run]["network"] for run in runs]
        grouped = len(self.varying) > 1 and len(set(networks)) < len(networks)
        for run, network in zip(runs, networks):
            lead = self.lead(run, flags.of(run))
            same = (
                network == before and lead[0] == network
            )  # with flags of its own it is said again
            found.append((("" if same else lead[0], *lead[1:]), grouped and network != before))
            before = network
        return found

    def short(self, run: str) -> str:
        """One text that tells this run from the others."""
        of = self.parts[run]
        text = of["network"]
        if "dims" in self.varying and of["dims"] != NOTHING:
            text += f" {of['dims']}"
        if "aux" in self.varying and of["aux"] != NOTHING:
            text += f" + {of['aux']}"
        return text + (f" {of['variant']}" if "variant" in self.varying else "").rstrip()


def known_names(runs: Sequence[Run], stages: Iterable[str]) -> set[str]:
    """Every name of a user that the tables can print, and so `--latex_names` can rename."""
    found = {stage.removeprefix(STAGE).strip() for stage in stages} - {
        "test",
        "valid",
    }
    for run in runs:
        found |= {run.name, run.network, network(run), run.dataset, run.postfix, *_sets(run.aux)}
        found |= set(run.label_names.values())
    return found - {""}


def network(run: Run) -> str:
    """`unet[s]`, the network with its tag."""
    return f"{run.network}[{run.tag}]" if run.tag else run.network


def _sets(aux: str) -> list[str]:
    return [name for name in aux.split(",") if name and name != "none"]


def _parts(run: Run, style: Style) -> dict[str, str]:
    named = run.name in style.names
    whole = network(run)
    shown = style.name(whole)
    if run.tag and whole not in style.names and run.network in style.names:
        shown = style.names[run.network] + escape(f"[{run.tag}]")
    variant = run.postfix
    if variant not in style.names and variant.startswith("[") and variant.endswith("]"):
        variant = variant[1:-1].replace("][", ", ")
    return {
        "network": style.name(run.name) if named else shown,
        "dims": escape(run.dims.upper() if run.dims in _DIMS else f"{run.dims} px") or NOTHING,
        "aux": ", ".join(map(style.name, _sets(run.aux))) or NOTHING,
        # The author's own name for a run says what is special about it.
        "variant": "" if named else style.name(variant) if variant else "",
    }


def _shared(key: str, value: str) -> str:
    return {"dims": value, "aux": f"auxiliary data {value}", "variant": value}[key]
