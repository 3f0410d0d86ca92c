"""Runs made up in the documented format: no training, known answers."""

import json
from pathlib import Path

from mos.metrics.table import COUNTS, KEYS, METRICS

FOLDS = {
    "0": {"a1": "a", "a2": "a", "b1": "b", "c1": "c"},
    "1": {"d1": "d", "e1": "e", "e2": "e", "f1": "f"},
}
NOTE = "<script>document.title='broken'</script>"
NAN, INF = float("nan"), float("inf")


def scores(case: str, base: float, special: dict) -> list[dict]:
    """The two labels of a case: dice is base, and base - 0.1 for label 2, but for special cases."""
    rows = []
    for label, dice in ((1, base), (2, round(base - 0.1, 3))):
        what = special.get((case, label), "scored")
        row = {"dice": dice, "iou": dice / (2 - dice), "hd": 4 - 3 * dice, "msd": 1 - dice}
        row |= {"nsd": dice, "precision": dice, "recall": dice, "volume_error": 1 - dice}
        row |= {"tp": 90, "fp": 5, "fn": 5}
        if what == "absent":
            row = {key: NAN for key in KEYS} | {"tp": 0, "fp": 0, "fn": 0}
        elif what in ("missed", "invented"):
            row = {metric.key: getattr(metric, what) for metric in METRICS}
            row |= {"tp": 0, "fp": 0, "fn": 0}
            row["fn" if what == "missed" else "fp"] = 50
        rows.append(row)
    return rows


def write_metrics(path: Path, cases: dict[str, str], bases: list[float], special: dict) -> None:
    """A metric file as the engine writes it."""
    import torch

    table = [scores(case, base, special) for case, base in zip(cases, bases)]
    content = {"case": list(cases), "patient": list(cases.values())}
    content["epoch_losses"] = torch.tensor(bases, dtype=torch.float64)
    for key in (*KEYS, *COUNTS):
        raw = [[NAN, *(row[key] for row in rows)] for rows in table]
        content[f"raw_{key}"] = torch.tensor(raw, dtype=torch.float64)
        if key in KEYS:
            content[key] = content[f"raw_{key}"][:, 1:].nanmean(dim=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(content, path)


def write_run(
    root: Path,
    name: str,
    *,
    setting: str = "demo-0",
    base: float = 0.8,
    special: dict | None = None,
    epochs: int = 6,
    target: int = 6,
    note: str = "",
    parts: dict | None = None,
    validated: bool = True,
) -> Path:
    """A run whose validation dice rises to epoch `epochs` - 1 and then falls a little."""
    folder = root / f"baseline-{setting}" / name
    fold = setting.rpartition("-")[2]
    record = {"task": "baseline", "setting": setting, "name": name, "note": note}
    record |= parts or {"network": "unet", "tag": "", "dims": 2, "aux": "none"}
    record |= {"options": {"batch_size": 16, "note": note}, "layers": {"batch_size": "default"}}
    record.setdefault("postfix", "[pretrain]" if name.endswith("[pretrain]") else "")
    record |= {"labels": {"0": "background", "1": "heart", "2": "scar <b>"}, "label_count": 3}
    record |= {"command": ["unet-2d-none", "--note", note], "versions": {"torch": "2.14.1"}}
    record |= {"git": "abc", "target_epoch": target, "started": "2026-01-01T00:00:00"}
    record |= {"finished": "2026-01-01T01:00:00" if epochs == target else None, "seed": 0}
    record |= {"dataset": {"name": setting, "path": f"baseline-{setting}.pt", "sha256": setting}}
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(record))
    best = max(1, epochs - 1)
    lines = []
    for epoch in range(1, epochs + 1):
        (folder / f"epoch-{epoch:04d}").mkdir()
        learned = base * (1 - 0.6**epoch) - (0.03 if epoch > best else 0) - 0.02 * int(fold)
        train = {"epoch": epoch, "stage": "train", "loss": 2.1 - 2 * learned, "seconds": 1.0}
        lines.append(train | {"dice_loss": 1 - learned, "ce_loss": 1.1 - learned})
        if validated:
            valid = {
                "epoch": epoch,
                "stage": "valid",
                "dice": learned,
                "loss": 1.15 - learned,
            }
            lines.append(valid | {"hd": None, "cases": 4, "missed": 0, "invented": 0})
        # Test rises to the very last epoch, so that choosing by it would be seen.
        lines.append({"epoch": epoch, "stage": "test", "dice": 0.5 + epoch / 100})
    (folder / "metric.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for epoch in range(1, epochs + 1):
        bases = [base - i / 50 - abs(epoch - best) / 20 for i in range(4)]
        path = folder / f"epoch-{epoch:04d}" / "test-metrics.pt"
        write_metrics(path, FOLDS[fold], bases, special or {})
    (folder / "latest").symlink_to(f"epoch-{epochs:04d}")
    if validated:
        (folder / "best").symlink_to(f"epoch-{best:04d}")
    return folder


def change_record(folder: Path, **changes) -> None:
    """Replaces entries of a run's run.json."""
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def build_tree(root: Path) -> Path:
    """Two networks x 2-D and 3-D x two folds of `demo`: four cases of three patients per fold.

    unet-2d-none                     fold 0: case a2 misses label 2
    unet[s]-3d-acdc,mnms[pretrain]   fold 1: case d1 gets a label 2 it has not
    resunet-2d-none                  note with a script in it
    resunet-3d-none                  fold 1: killed while writing, unfinished, never validated
    Case b1 of fold 0 has label 2 in neither, whoever segments it.
    """
    pretrain = "unet[s]-3d-acdc,mnms[pretrain]"
    named = {"network": "unet", "tag": "s", "dims": 3, "aux": "acdc,mnms"}
    resunet = {"network": "resunet", "tag": "", "aux": "none"}
    for fold in FOLDS:
        setting = f"demo-{fold}"
        special = {("a2", 2): "missed", ("b1", 2): "absent"}
        write_run(root, "unet-2d-none", setting=setting, base=0.8, special=special)
        special = {("d1", 2): "invented", ("b1", 2): "absent"}
        write_run(root, pretrain, setting=setting, base=0.9, special=special, parts=named)
        special = {("b1", 2): "absent"}
        parts = resunet | {"dims": 2}
        write_run(root, "resunet-2d-none", setting=setting, special=special, note=NOTE, parts=parts)
    parts = resunet | {"dims": 3}
    write_run(root, "resunet-3d-none", special=special, parts=parts)
    broken = write_run(
        root, "resunet-3d-none", setting="demo-1", epochs=3, parts=parts, validated=False
    )
    with open(broken / "metric.jsonl", "a") as log:
        log.write('{"epoch": 4, "sta')
    (broken / "epoch-0003" / "test-metrics.pt").write_bytes(b"PK\x03\x04 cut off")
    return root


def build_crowd(root: Path, networks: dict[str, float], *, patients: int = 12) -> Path:
    """Networks x 2-D, 3-D, 3-D with `mnms`, one fold `crowd-0`, two cases of each patient.

    Args:
        networks: name -> how good it is in 2-D; 3-D is 0.03 better, auxiliary data adds 0.01. Cases
            differ from run to run by numbers drawn with a fixed seed.

    The first network misses label 2 of case `p00_a` in 2-D.
    """
    import numpy as np

    random = np.random.default_rng(1)
    cases = {f"p{i:02d}_{part}": f"p{i:02d}" for i in range(patients) for part in "ab"}
    hard = random.normal(0, 0.05, patients)
    for network, good in networks.items():
        for dims, aux, gain in ((2, "none", 0.0), (3, "none", 0.03), (3, "mnms", 0.04)):
            name = f"{network}-{dims}d-{aux}"
            parts = {"network": network, "tag": "", "dims": dims, "aux": aux, "parameters": 10**6}
            folder = write_run(root, name, setting="crowd-0", base=good + gain, parts=parts)
            noise = np.repeat(hard, 2) + random.normal(0, 0.02, len(cases))
            bases = np.clip(good + gain + noise, 0.15, 0.99).round(4).tolist()
            is_first = network == next(iter(networks)) and dims == 2
            special = {("p00_a", 2): "missed"} if is_first else {}
            write_metrics(folder / "epoch-0005" / "test-metrics.pt", cases, bases, special)
    return root
