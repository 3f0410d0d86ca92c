"""Landmark runs made up in the documented format: radial errors that a test can work out by hand."""

import json
from pathlib import Path

from mos.metrics.table import LANDMARK_METRICS

NAMES = {"1": "sella", "2": "nasion <i>", "3": "menton"}
FOLDS = {"0": ["a1", "b1", "c1"], "1": ["d1", "e1", "e2"]}
MASKED = {("b1", 2)}  # case and number of a landmark
NAN = float("nan")


def error_of(case: str, point: int, base: float) -> float:
    """`base` mm for the first landmark of a fold's first case; more for later cases and landmarks."""
    place = next(cases.index(case) for cases in FOLDS.values() if case in cases)
    return NAN if (case, point) in MASKED else base + 0.5 * place + point - 1


def write_points(path: Path, cases: list[str], base: float) -> None:
    """A metric file as the engine writes it: column i is landmark i + 1, nan where masked."""
    import torch

    error = [[error_of(case, int(number), base) for number in NAMES] for case in cases]
    content = {"case": list(cases), "patient": [case[0] for case in cases]}
    content["epoch_losses"] = torch.full((len(cases),), base, dtype=torch.float64)
    for metric in LANDMARK_METRICS:
        raw = torch.tensor(metric.value(error), dtype=torch.float64)
        content |= {f"raw_{metric.key}": raw, metric.key: raw.nanmean(dim=1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def write_landmark_run(
    root: Path, name: str, *, setting: str = "heads-0", base: float = 1.0, epochs: int = 4
) -> Path:
    """A run whose validation error is lowest, `base`, in the epoch before the last."""
    folder = root / f"landmark-{setting}" / name
    network, _, size = name.rpartition("-")
    record = {"task": "landmark", "setting": setting, "name": name, "network": network, "tag": ""}
    record |= {"postfix": "", "labels": NAMES, "seed": 0, "target_epoch": epochs, "note": ""}
    record |= {"options": {"dataset_image_size": size}, "finished": "2026-01-01T01:00:00"}
    record |= {"dataset": {"name": setting, "sha256": setting}, "parameters": 1_000_000}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    lines = []
    for epoch in range(1, epochs + 1):
        away = base + 0.25 * abs(epoch - (epochs - 1))
        lines.append({"epoch": epoch, "stage": "train", "loss": 4 + away, "seconds": 2.0})
        lines.append(
            {"epoch": epoch, "stage": "valid", "loss": 4.2 + away, "mre": away, "cases": 3}
        )
        lines.append({"epoch": epoch, "stage": "test", "mre": 9 - epoch, "cases": 3})
        write_points(folder / f"epoch-{epoch:04d}" / "test-metrics.pt", FOLDS[setting[-1]], away)
    (folder / "metric.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "latest").symlink_to(f"epoch-{epochs:04d}")
    (folder / "best").symlink_to(f"epoch-{epochs - 1:04d}")
    return folder


def build_landmark_tree(root: Path) -> Path:
    """Two networks x two folds of `heads`: three cases a fold, of three and two patients.

    unet-512 errs by 1 mm and more, hrnet-512 by 1.5 and more; landmark 2 of b1 is masked for both.
    """
    for fold in FOLDS:
        write_landmark_run(root, "unet-512", setting=f"heads-{fold}", base=1.0)
        write_landmark_run(root, "hrnet-512", setting=f"heads-{fold}", base=1.5)
    return root
