"""What MOS does at sizes that few machines have: several processes, 50 GB of data, 1,000 cases of 36 labels.

Processes: the same training, the same batches, over 1, 2, 4 and 8 processes of one thread under torchrun (gloo on a
CPU); efficiency is against one process and as many cores as there are. Data: a dataset file of 50 GB that is all
holes, so that it takes no room on the disk; opened, hashed and read in crops as a training reads it. Cases: made-up
scores of 1,000 cases, and a few cases scored for real, which gives the slope.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from mos import machine
from mos.data.bundle import content_hash, open_bundle
from mos.engine.checkpoint import load_table, save_table
from mos.engine.evaluate import summarise
from mos.folders import METRIC_LOG, project_folder
from mos.metrics.segmentation import score_case
from run.baseline.phantom import ensure
from run.baseline.task import reduce
from tests.benchmark import is_quick, plain_row, say
from tests.benchmark.metric_maps import maps

LABELS = 36


def processes(quick: bool) -> None:
    """Samples per second of the second epoch; the first one starts things."""
    setting = "phantom-tiny" if quick else "phantom-0"
    side, batch, samples = (48, 8, 16) if quick else (96, 16, 96)
    ensure(setting)
    rates = {}
    for count in (1, 2) if quick else (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as folder:
            environ = os.environ | {"MOS_CHECKPOINT": folder, "PYTHONPATH": str(project_folder())}
            environ |= {"SETTING": setting, "COUNT": "2", "OMP_NUM_THREADS": "1"}
            environ.pop("_MOS_TYPED", None)
            words = f"--model unet --dataset_crop_size {side},{side} --batch_size {batch}".split()
            words += f"--sample_count {samples} --threads 1 --device cpu".split()
            words += "--model_channels 16,32,64,128 --model_norm batch".split()
            start = ["--standalone", "--nproc_per_node", str(count), "-m"]
            several = ["-m", "mos.engine.several", *start] if count > 1 else ["-m"]
            command = [sys.executable, *several, "run.baseline", *words]
            subprocess.run(
                command, env=environ, cwd=project_folder(), check=True, capture_output=True
            )
            (log,) = Path(folder).rglob(METRIC_LOG)
            lines = [json.loads(line) for line in log.read_text().splitlines()]
        seconds = next(
            one["seconds"] for one in lines if (one["epoch"], one["stage"]) == (2, "train")
        )
        rates[count] = samples / seconds
    for count in list(rates)[1:]:
        gain, most = rates[count] / rates[1], min(count, machine.cores())
        plain_row(
            f"training over {count} processes, batch {batch} of {side}x{side} shared among them",
            f"{rates[count]:.1f} samples/s",
            f"one process {rates[1]:.1f} samples/s",
            f"{gain:.2f}x, efficiency {gain / most:.0%} of {most} cores",
            "-",
            "-",
        )


def write_holes(path: Path, gib: float) -> None:
    """A main dataset of `gib` GiB whose voxels are holes in the file."""
    count = int(gib * 2**30 / (2 * 32 * 512 * 512))

    def cases(split: str, number: int) -> list[dict]:
        about = {"spacing": [5.0, 0.8, 0.8], "box": [[0, 32], [0, 512], [0, 512]]}
        return [{"id": f"{split}{i}", "patient": f"{split}{i}", **about} for i in range(number)]

    parts = {"train3d": count - 2, "valid3d": 1, "test3d": 1}
    manifest = {
        "labels": {"0": "background", "1": "one"},
        "cases": {name: cases(name[:2], number) for name, number in parts.items()},
        "train2d": [[0, 0]],
    }
    with tempfile.NamedTemporaryFile(dir=path.parent) as file:
        os.truncate(file.name, count * 2 * 32 * 512 * 512)
        shape = (2, 32, 512, 512)
        content = {
            name: torch.from_file(
                file.name, shared=True, size=number * 2 * 32 * 512 * 512, dtype=torch.uint8
            ).reshape(number, *shape)
            for name, number in parts.items()
        }
        content["train2d"] = torch.zeros(1, 2, 512, 512, dtype=torch.uint8)
        with torch.serialization.skip_data():
            torch.save(content | {"manifest": json.dumps(manifest)}, path)


def memory() -> tuple[int, int]:
    """MiB of this process's own pages, and of files mapped into it."""
    sizes = dict(re.findall(r"(Rss\w+):\s+(\d+)", Path("/proc/self/status").read_text()))
    return int(sizes["RssAnon"]) >> 10, int(sizes["RssFile"]) >> 10


def data(quick: bool) -> None:
    """Opens 50 GB on a machine of less memory, and reads crops all over them."""
    gib = 2.0 if quick else 50e9 / 2**30
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline-holes-0.pt"
        write_holes(path, gib)
        on_disk = path.stat().st_blocks * 512 / 2**20
        before, started = memory(), time.perf_counter()
        bundle = open_bundle(path)
        opened, after = time.perf_counter() - started, memory()
        started = time.perf_counter()
        content_hash(bundle)
        hashed = time.perf_counter() - started
        random, volumes = np.random.default_rng(0), bundle.tensors["train3d"]
        count = 100 if quick else 300
        started = time.perf_counter()
        for _ in range(count):
            row, y, x = random.integers(0, (len(volumes), 384, 384))
            volumes[row, :, 8:24, y : y + 128, x : x + 128].float()
        crop = (time.perf_counter() - started) / count
        own, mapped = memory()
        del bundle, volumes
    plain_row(
        f"a dataset file of {gib * 2**30 / 1e9:.0f} GB (holes, {on_disk:.0f} MiB on the disk) opened by mmap",
        f"{1e3 * opened:.1f} ms, {sum(after) - sum(before):.0f} MiB more memory",
        f"memory of this machine {(machine.memory() or (0, 0))[1] / 1e9:.0f} GB",
        "-",
        "<= 50 MiB more",
        sum(after) - sum(before) <= 50,
    )
    say(
        f"its hash {hashed:.2f} s; {count} crops of 16x128x128 all over it {1e3 * crop:.2f} ms each, then "
        f"{own - after[0]:+d} MiB of memory and {mapped - after[1]:+d} MiB of file pages, which the system takes back"
    )


def cases(quick: bool) -> None:
    """Scores a few cases of 36 labels, and goes through the tables of a thousand."""
    prediction, reference, spacing = maps("256x256x256, 36 labels")
    prediction, reference = (one[::2, ::2, ::2].copy() for one in (prediction, reference))
    labels = list(range(1, LABELS + 1))
    rows, times = [], []
    for _ in range(2 if quick else 8):
        started = time.process_time()
        rows.append(score_case(prediction, reference, labels, LABELS + 1, spacing, None))
        times.append(time.process_time() - started)
    table = {
        key: torch.from_numpy(np.tile(np.stack([row[key] for row in rows]), (500, 1))[:1000])
        for key in rows[0]
    }
    started = time.process_time()
    names = [f"case{i:04d}" for i in range(1000)]
    whole = {**table, **reduce(table), "case": names, "patient": names}
    line = summarise(whole)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test-metrics.pt"
        save_table(path, whole)
        load_table(path)
        size = path.stat().st_size / 2**20
    after = time.process_time() - started
    assert line["cases"] == 1000
    plain_row(
        f"1,000 cases x {LABELS} labels of 128x128x128 evaluated (slope of {len(rows)} cases)",
        f"{1000 * min(times):.0f} s of scoring, {1e3 * min(times):.0f} ms a case, beside the network",
        f"then reduced, stored and read back in {after:.2f} s",
        f"{size:.1f} MiB of metric file",
        "-",
        "-",
    )


def main() -> None:
    quick = is_quick(__doc__)
    cases(quick)
    data(quick)
    processes(quick)


if __name__ == "__main__":
    main()
