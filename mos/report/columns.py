"""What every column of the report's CSV and Parquet files means; `columns.csv` says it to users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mos.report.metric import BY_KEY
from mos.report.scores import STATES
from mos.report.statistics import BOOTSTRAP_DRAWS

if TYPE_CHECKING:
    import pandas as pd

RUN = {
    "task": "the program: baseline or landmark",
    "dataset": "main dataset without its fold",
    "setting": "dataset and fold: the folder <task>-<setting>",
    "fold": "number of the fold, empty for a dataset that is not split",
    "run": "name of the run's folder; the same in all folds",
    "network": "network",
    "tag": "what stands in [ ] behind the network",
    "dims": "2d or 3d, how it is trained; scores are of whole volumes; of landmarks the image size",
    "aux": "auxiliary datasets joined by commas, or none",
    "postfix": "end of the run's name",
    "seed": "seed of the training",
}
_SCORE = {
    **RUN,
    "epoch": "the epoch shown: best by validation, the last one of a run without validation",
    "stage": "test, valid, or zeroshot <set>",
    "case": "case id; the same in all runs of a dataset",
    "patient": "patient id; a patient may have several cases",
    "label": "label id, or number of the landmark from 1",
    "label_name": "its name in the run's dataset",
    "nsd_tolerance": "tolerance of nsd",
    "state": f"what became of the structure: {', '.join(STATES)} (absent: in neither map); of a landmark: "
    "scored, or masked (outside the image, or not known)",
}
_EPOCH = {
    **RUN,
    "stage": "train, valid or test; test lines never choose an epoch",
    "epoch": "number of the epoch, from 1; one done again counts once",
    "shown": "whether the tables show this epoch's scores",
    "...": "every number of metric.jsonl: losses, means of the metrics over finite cases, seconds",
}
_DESCRIPTION = {
    "count": "finite cases, those described; of landmarks finite points",
    "infinite": "cases left out: a structure was missed or invented",
    "undefined": "cases left out: nothing to score",
    "mean": "mean over the finite cases",
    "sd": "sample standard deviation of the finite cases",
    "standard_error": "sd / sqrt(count)",
    "low": f"lower end of the 95 % interval of the mean ({BOOTSTRAP_DRAWS} bootstraps over patients)",
    "high": "upper end of it",
    "median": "median over the finite points",
}
COST = {
    "dataset": "main dataset without its fold",
    "run": "name of the run's folder; the same in all folds",
    "parameters": "parameters of the network; the most of the folds",
    "epochs": "epochs trained, all folds",
    "epoch_seconds": "seconds of a training epoch, median",
    "samples_per_second": "samples trained on, by the seconds of training",
    "total_hours": "hours of training, validation and test, all folds",
    "peak_memory": "MiB, the most of all training epochs",
    "case_seconds": "seconds of predicting and scoring a test case, median over epochs",
    "machines": "device, precision, threads; costs compare only on one machine",
}
_OVERVIEW = {
    "cases": "cases, folds pooled",
    "patients": "patients, folds pooled",
    "folds": "folds that have scores",
    "in_reference": "structures (a label of a case) in the reference",
    "missed": "of these, not in the prediction",
    "not_in_reference": "structures that the reference has not",
    "invented": "of these, in the prediction",
    "points": "landmarks scored, all cases together",
    "masked": "landmarks outside the image or not known, not scored",
    "comparable": "whether it has the cases and labels that most rows of its stage have",
    **{key: COST[key] for key in ("parameters", "samples_per_second")},
}
_COMPARISON = {
    "dataset": "main dataset",
    "stage": "test, valid, or zeroshot <set>",
    "label": "label id; empty: each case counts with the mean of its scored labels",
    "label_name": "its name",
    "metric": "key of the metric",
    "first": "a run, or the name of runs that differ only in their seed",
    "second": "the other; differences and effect sizes are first minus second",
    "cases": "cases with a finite difference; the t test and the mean difference are about these",
    "patients": "their patients: the unit of both tests and of the effect sizes",
    "infinite": "cases left out of the difference: a structure missed or invented; ranks have them",
    "undefined": "cases left out: nothing to score in one of the two",
    "only_first": "cases that the second lacks",
    "only_second": "cases that the first lacks",
    "first_mean": "mean of the first over the cases",
    "second_mean": "mean of the second over the cases",
    "difference": "mean difference over the cases",
    "low": "lower end of its 95 % interval, patients resampled",
    "high": "upper end of it",
    "t": "paired t statistic",
    "t_p": "its two-sided p",
    "t_p_holm": "that p, corrected by Holm over the family",
    "dz": "effect size: mean of the differences / their standard deviation",
    "rank_patients": "patients in the rank test, infinite ones included",
    "first_better": "patients for whom the first is better",
    "second_better": "patients for whom the second is better",
    "wilcoxon": "Wilcoxon's statistic: the smaller sum of signed ranks",
    "p": "its two-sided p",
    "p_holm": "that p, corrected by Holm over the family; below 0.05 is called significant",
    "rank_biserial": "effect size: matched-pairs rank-biserial correlation, -1 to 1",
    "family": "tests that the correction counted",
    "significant": "whether p_holm is below 0.05",
    "better": "the one that the rank test favours, significant or not",
}
_RANKING = {
    "dataset": "main dataset",
    "stage": "test, valid, or zeroshot <set>",
    "metric": "key of the metric",
    "method": "aggregate-then-rank, rank-then-aggregate or test-based (Wiesenfarth et al. 2021)",
    "contender": "a run, or the name of runs that differ only in their seed",
    "cases": "cases, which all contenders have",
    "patients": "their patients",
    "rank": "1 is best; equal ones share the better rank",
    "score": "what is ranked: mean of the metric; mean rank; share of the others significantly beaten",
    "rank_median": "median rank when patients are resampled",
    "rank_low": "lower end of the ranks in 95 % of the draws",
    "rank_high": "upper end of them",
    "draws": "how often patients were resampled",
    "tau": "mean Kendall tau-b between the ranking and those of the draws; 1 is stable",
    "tau_low": "lower end of the middle 95 % of them",
    "tau_high": "upper end of it",
    "mean_rank": "mean over patients of the rank, as in the critical-difference diagram",
    "friedman_chi2": "Friedman's statistic over all contenders, corrected for ties",
    "friedman_p": "its p",
    "critical_difference": "Nemenyi's, at 5 %: mean ranks this far apart differ (Demsar 2006)",
    "share_<rank>": "share of the draws with that rank",
}
_SEEDS = {
    "dataset": "main dataset",
    "stage": "test, valid, or zeroshot <set>",
    "contender": "the name that stands for runs that differ only in their seed",
    "metric": "key of the metric",
    "seeds": "their seeds",
    "runs": "their names, in the order of the seeds",
    "cases": "cases that are finite for every seed",
    "left_out": "cases that are not",
    "mean": "mean over the seeds",
    "sd": "standard deviation between the seeds",
    "means": "the mean of each seed",
}


def case_columns(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(column, unit, meaning) of the columns `names` of cases.csv."""
    for name in names:
        if name in BY_KEY:
            yield name, BY_KEY[name].unit, BY_KEY[name].rule
        else:
            yield name, "mm" if name == "nsd_tolerance" else "", _SCORE[name]


def column_frame(overview: Sequence[str], cases: Sequence[str]) -> pd.DataFrame:
    """File, column, unit and meaning of every column; given are those of result.csv and of cases.csv."""
    import pandas as pd

    known = [("cases", *one) for one in case_columns(cases)]
    known += [("epochs", name, "", text) for name, text in _EPOCH.items()]
    known += [("result", *one) for one in _overview_columns(overview)]
    for file, meanings in {
        "comparisons": _COMPARISON,
        "ranking": _RANKING,
        "seeds": _SEEDS,
        "cost": COST,
    }.items():
        known += [(file, name, "", text) for name, text in meanings.items()]
    return pd.DataFrame(known, columns=["file", "column", "unit", "meaning"])


def _overview_columns(names: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    plain: Mapping[str, str] = _SCORE | _OVERVIEW
    described = {
        f"{metric.key}_{part}": (metric, part, text)
        for metric in BY_KEY.values()
        for part, text in _DESCRIPTION.items()
    }
    for name in names:
        if name in plain:
            yield name, "", plain[name]
        else:
            metric, part, text = described[name]
            unit = "" if part in ("count", "infinite", "undefined") else metric.unit
            yield name, unit, f"{metric.key}: {text}"
