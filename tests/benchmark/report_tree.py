"""Builds a large tree of made-up runs in the real format, for timing the report."""

import io
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np

from mos import folders
from mos.metrics.table import COUNTS, KEYS, METRICS

NETWORKS = ("unet", "resunet", "attentionunet", "segnet", "swinunetr")
AUXILIARY = ("none", "acdc", "mnms", "acdc,mnms", "sunnybrook")
LABELS = {"0": "background", "1": "right ventricle", "2": "myocardium"}
PHASES = 4  # an epoch's file is one of so many per run, by how far the training is
SOME_TIME_AGO = 1_700_000_000


def build(root: Path, *, runs: int = 500, epochs: int = 100, cases: int = 100) -> None:
    """Writes `runs` runs of `epochs` epochs below `root`: a `heart` in five folds, a `brain` in five.

    Every epoch has test scores of `cases` cases (two of each patient) and validation scores of a
    fifth as many, 8 metrics for each of 2 labels, as training writes them, but no weights.
    """
    for number in range(runs):
        dataset, fold, name = _place(number)
        network, dims, aux = name.partition("[")[0].split("-", 2)
        write_run(
            root / f"baseline-{dataset}-{fold}" / name,
            setting=f"{dataset}-{fold}",
            parts={"network": network, "tag": "", "dims": int(dims[0]), "aux": aux},
            epochs=epochs,
            cases=cases,
            skill=0.7 + 0.2 * ((number // 10 * 37) % 50) / 50,
            seed=number,
        )


def _place(number: int) -> tuple[str, int, str]:
    """The dataset, fold and name of a run; ten runs, of both datasets' folds, share a name."""
    dataset, fold, kind = ("heart", "brain")[number % 10 // 5], number % 5, number // 10
    network, kind = NETWORKS[kind % 5], kind // 5
    dims, kind = (2, 3)[kind % 2], kind // 2
    aux, again = AUXILIARY[kind % 5], kind // 5
    return dataset, fold, f"{network}-{dims}d-{aux}" + (f"[v{again}]" if again else "")


def write_run(
    folder: Path, *, setting: str, parts: dict, epochs: int, cases: int, skill: float, seed: int
) -> None:
    """One run; its validation dice rises to three epochs before the last."""
    from run.baseline.model_arguments import ModelArguments  # it knows torch's networks

    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    learned = [skill * (1 - 0.95 ** (e + 1)) - 0.01 * (e >= epochs - 3) for e in range(epochs)]
    names = {"test": [f"{setting}-t{i:03d}" for i in range(cases)]}
    names["valid"] = [f"{setting}-v{i:03d}" for i in range(max(2, cases // 5))]
    options = {field.name: str(field.default)[:60] for field in fields(ModelArguments)}
    record = {"task": "baseline", "setting": setting, "name": folder.name, "note": f"run {seed}"}
    record |= parts | {
        "postfix": "",
        "command": ["unet-2d-none"],
        "options": options,
        "labels": LABELS,
        "label_count": 3,
    }
    record |= {"layers": {key: "default" for key in options}, "seed": 0, "parameters": 1401187}
    record |= {"target_epoch": epochs, "schedule_epochs": epochs, "eval_labels": [1, 2]}
    record |= {"started": "2026-01-01T00:00:00", "finished": "2026-01-02T00:00:00", "git": "abc"}
    record |= {"dataset": {"name": setting, "sha256": setting, "cases": {"test": cases}}}
    (folder / folders.RUN_RECORD).write_text(json.dumps(record, indent=1))
    files = {
        stage: [
            metric_bytes(of, learned[min(epochs - 1, (phase + 1) * epochs // PHASES)], random)
            for phase in range(PHASES)
        ]
        for stage, of in names.items()
    }
    lines = []
    for epoch, dice in enumerate(learned, start=1):
        place = folders.epoch_folder(folder, epoch)
        place.mkdir()
        for stage, contents in files.items():
            path = folders.metric_file(place, stage)
            path.write_bytes(contents[(epoch - 1) * PHASES // epochs])
            os.utime(path, (SOME_TIME_AGO + epoch, SOME_TIME_AGO + epoch))
        lines += log_lines(epoch, dice)
    (folder / folders.METRIC_LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / folders.LATEST).symlink_to(f"epoch-{epochs:04d}")
    (folder / folders.BEST).symlink_to(f"epoch-{max(1, epochs - 3):04d}")


def log_lines(epoch: int, dice: float) -> list[dict]:
    """An epoch in metric.jsonl."""
    time = {"seconds": 12.5, "time": "2026-01-01T00:00:00+0000"}
    train = {"epoch": epoch, "stage": "train", "loss": 2 - 2 * dice, "dice_loss": 1 - dice}
    train |= {"ce_loss": 1 - dice, "learning_rate": 1e-3, "samples": 1000, "peak_memory_mib": 4000}
    scored = {
        "epoch": epoch,
        "loss": 1 - dice,
        "dice": dice,
        "iou": dice / 2,
        "hd": 9.0,
        "msd": 1.0,
    }
    scored |= {"missed": 1, "invented": 0}
    return [train | time, *({**scored, "stage": stage, **time} for stage in ("valid", "test"))]


def metric_bytes(cases: list[str], dice: float, random: np.random.Generator) -> bytes:
    """A metric file as training writes it: some structures missed, invented, or in neither map."""
    import torch

    n = len(cases)
    mean = np.clip(dice + 0.05 * random.standard_normal((n, 2)), 0.01, 0.99)
    tp = np.round(mean * 1000)
    wrong = np.round((1000 - tp) / 2)
    table = {"tp": tp, "fp": wrong, "fn": wrong}
    table |= {
        "dice": mean,
        "iou": mean / (2 - mean),
        "nsd": mean,
        "precision": mean,
        "recall": mean,
    }
    table |= {"hd": 20 * (1 - mean), "msd": 5 * (1 - mean), "volume_error": 1 - mean}
    for what, share in (("missed", 0.01), ("invented", 0.01), ("absent", 0.02)):
        where = random.random((n, 2)) < share
        for metric in METRICS:
            table[metric.key][where] = np.nan if what == "absent" else getattr(metric, what)
        for key in COUNTS:
            table[key][where] = 50 if {"fn": "missed", "fp": "invented"}.get(key) == what else 0
    content = {"case": cases, "patient": [f"p{i // 2:03d}-{cases[0][:7]}" for i in range(n)]}
    for key in (*KEYS, *COUNTS):
        raw = np.concatenate([np.full((n, 1), np.nan), table[key]], axis=1)
        content[f"raw_{key}"] = torch.from_numpy(raw)
        if key in KEYS:
            content[key] = content[f"raw_{key}"][:, 1:].nanmean(dim=1)
    content["raw_nsd_tolerance"] = torch.full((n, 3), 2.0, dtype=torch.float64)
    content["epoch_losses"] = torch.from_numpy(1 - mean.mean(1))
    written = io.BytesIO()
    torch.save(content, written)
    return written.getvalue()
