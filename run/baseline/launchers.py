"""The launchers of networks: one text for all, so that they differ in names alone.

    python -m run.baseline.launchers        # writes those that are missing or differ

A test holds that every network of the table has its launchers, with this text.
"""

from pathlib import Path

from mos.files import atomic_path
from mos.networks.table import NETWORKS

FOLDER = Path(__file__).resolve().parents[2] / ".scripts" / "baseline"
_TEXT = """\
#!/usr/bin/env bash
# Trains a {dims}-D {title} on {what} alone and scores it on whole volumes.
#
{calls}
#   (--help: all options; --dry_run: what they are and what set each)
#
# Reads  .cache/dataset/baseline/baseline-$SETTING.pt
# Writes .checkpoint/baseline-$SETTING/{name}/
set -euo pipefail
source "$(dirname -- "${{BASH_SOURCE[0]}}")/../env"
mos_environment

mos_default SETTING phantom-0
mos_default COUNT 20
{defaults}

mos_run run.baseline --model {model} --model_dims {dims} "$@"
"""
_WHAT = {2: "slices of the main dataset", 3: "crops of the main dataset's volumes"}
_DEFAULTS = {
    2: ("BS 16", "MOS_DATASET_CROP_SIZE 128,128", "MOS_DATASET_VALID_CROP_SIZE 16,160,160"),
    3: ("BS 4", "MOS_DATASET_CROP_SIZE 16,128,128"),
}
_OFTEN = {2: 32, 3: 8}  # the batch size of the example
# The first launcher a newcomer presses, on a laptop: half its network's own features.
_MORE = {"unet": ("MOS_MODEL_CHANNELS 16,32,64,128",)}


def launcher_name(model: str, dims: int) -> str:
    """`segnet-2d-none`."""
    return f"{model}-{dims}d-none"


def launcher_text(model: str, dims: int) -> str:
    """The launcher of a network in one of its dimensions."""
    name = launcher_name(model, dims)
    path = f".scripts/baseline/{name}"
    calls = (
        (path, "the built-in phantom"),
        (f"SETTING=hippocampus-0 COUNT=60 BS={_OFTEN[dims]} {path} --note first", ""),
        (f"{path} --increase_epoch 20", "20 epochs more of the same run"),
    )
    width = len(calls[2][0]) + 16
    lines = [f"#   {call:<{width}}{what}".rstrip() for call, what in calls]
    defaults = sorted((*_DEFAULTS[dims], *_MORE.get(model, ())), key=_place)
    return _TEXT.format(
        dims=dims,
        title=NETWORKS[model].title,
        what=_WHAT[dims],
        calls="\n".join(lines),
        name=name,
        model=model,
        defaults="\n".join(f"mos_default {one}" for one in defaults),
    )


def _place(default: str) -> int:
    """Batch size, crop, network, evaluation: the order they are written in."""
    return [default.startswith(one) for one in ("BS", "MOS_DATASET_CROP", "MOS_MODEL", "")].index(
        True
    )


def write_launchers() -> list[str]:
    """Writes the launchers that are missing or differ; returns their names."""
    written = []
    for model, network in NETWORKS.items():
        for dims in network.dims:
            path, text = FOLDER / launcher_name(model, dims), launcher_text(model, dims)
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            with atomic_path(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
                temporary.chmod(0o755)
            written.append(path.name)
    return written


if __name__ == "__main__":
    print("\n".join(write_launchers()) or "all launchers are as they should be")
