"""Comparisons, rankings and seeds outside the page: frames for CSV files, plain data, a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

from mos.report.analysis import Analysis
from mos.report.compare import Comparison
from mos.report.export import frame_of

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = [field.name for field in fields(Comparison)]
_RANKING = "dataset stage metric method contender cases patients rank score".split()
_SEEDS = "dataset stage contender metric seeds runs cases left_out mean sd means".split()


def frames(analysis: Analysis) -> dict[str, Callable[[], pd.DataFrame]]:
    """What makes the CSV files, by name."""
    return {
        "comparisons.csv": partial(comparisons_frame, analysis),
        "ranking.csv": partial(ranking_frame, analysis),
        "seeds.csv": partial(seeds_frame, analysis),
    }


def comparisons_frame(analysis: Analysis) -> pd.DataFrame:
    """comparisons.csv: one row per pair, stage, label and metric; label is empty for all together.

    The columns are the fields of `mos.report.compare.Comparison`, and `significant`, `better`.
    """
    entries = analysis.comparisons.entries
    frame = frame_of([vars(one) for one in entries], _COLUMNS)
    frame["label"] = frame["label"].astype("Int64")
    frame["significant"] = [one.significant for one in entries]
    frame["better"] = [one.favours for one in entries]
    return frame


def ranking_frame(analysis: Analysis) -> pd.DataFrame:
    """ranking.csv: one row per dataset, stage, metric, way of ranking and contender.

    `share_1`, `share_2` ... are the shares of the draws with that rank; empty where there are fewer
    contenders.
    """
    records = []
    for ranking in analysis.rankings:
        mean_ranks: dict[str, float] = {}
        about: dict[str, Any] = {}
        if (diagram := ranking.critical_difference) is not None:
            mean_ranks = dict(zip(diagram.contenders, diagram.mean_ranks))
            about = {"friedman_chi2": diagram.chi2, "friedman_p": diagram.p}
            about["critical_difference"] = diagram.difference
        for method in ranking.methods.values():
            for place, contender in enumerate(ranking.contenders):
                record = {key: getattr(ranking, key) for key in ("dataset", "stage", "metric")}
                record |= {"method": method.name, "contender": contender}
                record |= {key: getattr(ranking, key) for key in ("cases", "patients")}
                record |= {"rank": method.ranks[place], "score": method.scores[place]}
                for key in ("median", "low", "high"):
                    record[f"rank_{key}"] = getattr(method, key)[place]
                record["draws"] = method.draws
                record |= {key: getattr(method, key) for key in ("tau", "tau_low", "tau_high")}
                record |= {"mean_rank": mean_ranks.get(contender), **about}
                for rank, share in enumerate(method.shares[place], start=1):
                    record[f"share_{rank}"] = share
                records.append(record)
    return frame_of(records, None if records else _RANKING)


def seeds_frame(analysis: Analysis) -> pd.DataFrame:
    """seeds.csv: one row per repeated training, stage and metric."""
    records = []
    for line in analysis.seeds:
        for key, spread in line.metrics.items():
            record = {
                "dataset": line.dataset,
                "stage": line.stage,
                "contender": line.contender.name,
            }
            record |= {"metric": key, "seeds": " ".join(line.contender.seeds)}
            record |= {"runs": " ".join(line.contender.runs), "cases": spread.cases}
            record |= {"left_out": spread.left_out, "mean": spread.mean, "sd": spread.sd}
            record["means"] = " ".join(f"{one:.6g}" for one in spread.means)
            records.append(record)
    return frame_of(records, _SEEDS)


def analysis_data(analysis: Analysis) -> dict[str, Any]:
    """For result.json, before nan becomes null: comparisons of all labels together, the rest whole.

    Comparisons label by label are in comparisons.csv alone: they are many.
    """
    return {
        "contenders": [
            {key: getattr(one, key) for key in ("dataset", "name", "runs", "seeds")}
            for one in analysis.contenders
        ],
        "comparisons": [
            {**vars(one), "significant": one.significant, "better": one.favours}
            for one in analysis.comparisons.entries
            if one.label is None
        ],
        "rankings": analysis.rankings,
        "seeds": [
            {
                "dataset": line.dataset,
                "stage": line.stage,
                "contender": line.contender.name,
                "seeds": line.contender.seeds,
                "runs": line.contender.runs,
                "cases": line.cases,
                "patients": line.patients,
                "metrics": line.metrics,
            }
            for line in analysis.seeds
        ],
    }


def analysis_text(analysis: Analysis, metric: str = "dice") -> str:
    """For a terminal: who is significantly better in the test of each dataset; "" for one run each."""
    lines = []
    for ranking in analysis.rankings:
        if (ranking.stage, ranking.metric) != ("test", metric):
            continue
        mine = [
            one
            for one in analysis.comparisons.entries
            if (one.dataset, one.stage, one.metric) == (ranking.dataset, "test", metric)
            and one.label is None
        ]
        certain = sum(one.significant for one in mine)
        ranks = ranking.methods["aggregate-then-rank"]
        first = " ".join(name for name, rank in zip(ranking.contenders, ranks.ranks) if rank == 1)
        lines.append(
            f"{ranking.dataset}, {metric}: {first} is first of {len(ranking.contenders)}; "
            f"{certain} of {len(mine)} pairs differ significantly (Wilcoxon, Holm)"
        )
    return "\n".join(lines)
