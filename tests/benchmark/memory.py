"""The memory of a training process, above what torch and the network need in a loop of a few lines.

Both are processes of their own, whose own memory (anonymous pages: neither the dataset's, which are mapped, nor
those of programs and libraries) is looked at every few milliseconds, and whose largest counts. The launcher's
settings of the allocator hold for both.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping

from mos.folders import project_folder
from run.baseline.phantom import ensure
from tests.benchmark import is_quick, plain_row, say

MOST_MIB = 300
CASES = {
    "2-D, batch 16 of 128x128": ("--batch_size 16 --dataset_crop_size 128,128", (16, 1, 128, 128)),
    "3-D, batch 2 of 16x64x64": ("--batch_size 2 --dataset_crop_size 16,64,64", (2, 1, 16, 64, 64)),
}
QUICK = {"2-D, batch 8 of 48x48": ("--batch_size 8 --dataset_crop_size 48,48", (8, 1, 48, 48))}
CHANNELS = "16,32,64,128"
WATCH = """
import re, sys, threading, time

peak, going = 0, True

def watch():
    global peak
    while going:
        found = re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())
        peak = max(peak, int(found[1]))
        time.sleep(0.004)

thread = threading.Thread(target=watch)
thread.start()
try:
    work()
finally:
    going = False
    thread.join()
    print("MEASURED", peak / 1024, flush=True)
"""
# A run of one epoch: training, saving, scoring.
OURS = """
def work():
    from run.baseline.__main__ import main
    main()
"""
BARE = """
def work():
    import torch
    from mos.networks.plan import Plan
    from mos.networks.table import NETWORKS
    shape = tuple(map(int, sys.argv[1].split(",")))
    channels = tuple(map(int, sys.argv[2].split(",")))
    plan = Plan(in_channels=1, label_count=4, crop_size=shape[2:], spacing=(1.0,) * len(shape[2:]),
                channels=channels, norm="batch" if shape[0] >= 4 else "instance", dropout=0.0,
                encoder=None, encoder_weights=None)
    network = NETWORKS["unet"].build(plan)
    optimizer = torch.optim.AdamW(network.parameters(), fused=True)
    for _ in range(4):
        image, label = torch.rand(shape), torch.randint(0, 4, (shape[0], *shape[2:]))
        torch.nn.functional.cross_entropy(network(image), label).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
"""


def measured(program: str, environ: Mapping[str, str], *words: str) -> float:
    """MiB of a program that defines `work`."""
    done = subprocess.run(
        [sys.executable, "-c", program + WATCH, *words],
        env=environ,
        cwd=project_folder(),
        capture_output=True,
        text=True,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith("MEASURED")]
    if done.returncode or not said:
        raise RuntimeError(done.stderr[-1000:])
    return float(said[0].split()[1])


def main() -> None:
    quick = is_quick(__doc__)
    setting = "phantom-tiny" if quick else "phantom-0"
    ensure(setting)
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"MOS_CHECKPOINT": folder, "PYTHONPATH": str(project_folder())}
        environ |= {"SETTING": setting, "COUNT": "1"}
        environ.pop("_MOS_TYPED", None)
        cases = QUICK if quick else CASES
        for number, (what, (words, shape)) in enumerate(cases.items()):
            given = ["--model", "unet", "--model_channels", CHANNELS, "--sample_count", "64"]
            given += [*words.split(), "--dir_postfix", f"[{number}]"]
            ours = measured(OURS, environ, *given)
            bare = measured(BARE, environ, ",".join(map(str, shape)), CHANNELS)
            plain_row(
                f"memory of a training process, {what}, dataset not counted",
                f"{ours:.0f} MiB",
                f"torch and the network, four steps: {bare:.0f} MiB",
                f"{ours - bare:+.0f} MiB",
                f"at most +{MOST_MIB} MiB",
                ours - bare <= MOST_MIB,
            )
    say("the training process includes scoring whole volumes, which the bare loop has none of")


if __name__ == "__main__":
    main()
