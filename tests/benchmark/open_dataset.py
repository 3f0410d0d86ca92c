"""Opening a dataset file of 2 GiB (with --quick 0.25), against reading it whole; each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from mos.folders import project_folder
from tests.benchmark import is_quick, plain_row, say

MOST_MS, MOST_MIB = 20, 50
# Pages of a mapped file are told apart from memory of one's own (anonymous): the system takes them back
# when something else needs the room.
OPEN = """
import json, re, sys, time
import torch
from mos.data.bundle import content_hash, open_bundle
from pathlib import Path

def memory():
    sizes = dict(re.findall(r"(Rss\\w+):\\s+(\\d+)", Path("/proc/self/status").read_text()))
    return [int(sizes[name]) / 1024 for name in ("RssAnon", "RssFile")]

way, path = sys.argv[1], Path(sys.argv[2])
torch.zeros(1)
before, start = memory(), time.perf_counter()
if way == "ours":
    tensor = open_bundle(path).tensors["train3d"]
else:
    tensor = torch.load(path, weights_only=True)["train3d"]
seconds, after = time.perf_counter() - start, memory()
start = time.perf_counter()
for row in range(len(tensor)):
    tensor[row, :, :8, :128, :128].float()
volumes, start = time.perf_counter() - start, time.perf_counter()
if way == "ours":
    content_hash(open_bundle(path))
print(json.dumps({
    "ms": 1e3 * seconds,
    "own": after[0] - before[0],
    "pages": after[1] - before[1],
    "crop_ms": 1e3 * volumes / len(tensor),
    "hash_s": time.perf_counter() - start,
}))
"""


def write_file(path: Path, gib: float) -> None:
    """A main dataset of random volumes (2, 16, 256, 256), with a manifest as cmd/build writes it."""
    count = max(4, int(gib * 2**30 / (2 * 16 * 256 * 256)))
    volumes = torch.randint(0, 255, (count, 2, 16, 256, 256), dtype=torch.uint8)

    def cases(split: str, number: int) -> list[dict]:
        about = {"spacing": [8.0, 1.0, 1.0], "box": [[0, 16], [0, 256], [0, 256]]}
        return [{"id": f"{split}{i}", "patient": f"{split}{i}", **about} for i in range(number)]

    manifest = {
        "labels": {"0": "background", "1": "one"},
        "cases": {
            "train3d": cases("a", count - 2),
            "valid3d": cases("b", 1),
            "test3d": cases("c", 1),
        },
        "train2d": [[0, 0], [0, 1]],
    }
    content = {
        "train2d": volumes[0, :, :2].transpose(0, 1).contiguous(),
        "train3d": volumes[2:].clone(),
        "valid3d": volumes[:1].clone(),
        "test3d": volumes[1:2].clone(),
    }
    torch.save(content | {"manifest": json.dumps(manifest)}, path)


def opened(way: str, path: Path) -> dict[str, float]:
    """What a fresh process measured; the file's pages are dropped from memory before."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    environ = os.environ | {"PYTHONPATH": str(project_folder())}
    command = [sys.executable, "-c", OPEN, way, str(path)]
    return json.loads(subprocess.run(command, env=environ, capture_output=True, check=True).stdout)


def main() -> None:
    quick = is_quick(__doc__)
    gib = 0.25 if quick else 2.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline-large-0.pt"
        write_file(path, gib)
        rounds = [{way: opened(way, path) for way in ("ours", "whole")} for _ in range(3)]
    best = {
        way: {key: min(one[way][key] for one in rounds) for key in rounds[0][way]}
        for way in ("ours", "whole")
    }
    own, whole = best["ours"], best["whole"]
    more = own["own"] + own["pages"]
    plain_row(
        f"opening a dataset file of {gib:g} GiB, cold",
        f"{own['ms']:.1f} ms, {more:.0f} MiB more memory",
        f"torch.load {whole['ms']:.0f} ms, {whole['own'] + whole['pages']:.0f} MiB",
        f"{whole['ms'] / own['ms']:.0f}x",
        f"<= {MOST_MS} ms, <= {MOST_MIB} MiB",
        own["ms"] <= MOST_MS and more <= MOST_MIB,
    )
    say(
        f"a crop of 8x128x128 from a volume for the first time: {own['crop_ms']:.2f} ms, from memory "
        f"{whole['crop_ms']:.2f} ms; the hash of what the file holds, taken once at the start of a run, {own['hash_s']:.2f} s"
    )


if __name__ == "__main__":
    main()
