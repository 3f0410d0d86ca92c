"""HD95 and mean surface distance of one case and label, beside MONAI and MedPy; and of 36 labels at once.

    python -m tests.benchmark.metrics_distance [--quick]

Every package gets a binary mask of the whole volume per label, as its interface wants, and makes both numbers.
Ours is timed with the compiled kernel and without it.
"""

import statistics
import subprocess
import sys
import warnings

import numpy as np

from mos.metrics import outline, surface
from tests.benchmark import is_quick, race, row, say
from tests.benchmark.metric_maps import CASES, maps

# Reaches: without the kernel against MONAI and MedPy, with the kernel against MONAI.
ONE_LABEL = {
    "16x128x128": (10, 30, 40),
    "35x51x35": (8, 10, 40),
    "128x192x160": (15, 100, 40),
    "128x192x160, far false positives": (4, 30, 40),
    "256x256x256, one large organ": (5, 40, 40),
}


def ours(measure, prediction, reference, labels, spacing):
    """HD95 and mean surface distance by label, with one of the two ways to measure."""
    pairs = measure(prediction, reference, labels, np.array(spacing))
    found = [surface.SurfaceDistances(*pair) for pair in pairs.values()]
    return [(surface.hausdorff95(one), surface.mean_surface_distance(one)) for one in found]


def monai(prediction, reference, spacing):
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

    p, r = (torch.from_numpy(mask)[None, None] for mask in (prediction, reference))
    hd = compute_hausdorff_distance(p, r, include_background=True, percentile=95, spacing=spacing)
    msd = compute_average_surface_distance(
        p, r, include_background=True, symmetric=True, spacing=spacing
    )
    return float(hd), float(msd)


def medpy(prediction, reference, spacing):
    from medpy.metric import binary

    return binary.hd95(prediction, reference, spacing), binary.assd(prediction, reference, spacing)


def one_label(name: str, seconds: float, with_medpy: bool) -> None:
    """The rows of one case, label 1."""
    prediction, reference, spacing = maps(name)
    p, r = prediction == 1, reference == 1
    bytes_ = p.view(np.uint8), r.view(np.uint8)
    contestants = {
        "numpy": lambda: ours(outline.distances, *bytes_, [1], spacing)[0],
        "monai": lambda: monai(p, r, spacing),
    }
    if kernel := surface.compiled():
        contestants["kernel"] = lambda: ours(kernel.distances, *bytes_, [1], spacing)[0]
    if with_medpy:
        contestants["medpy"] = lambda: medpy(p, r, spacing)
    agree(name, {who: run() for who, run in contestants.items()})
    times = race(contestants, seconds, warm=True)
    to_monai, to_medpy, to_monai_kernel = ONE_LABEL[name]
    what = f"hd + msd of a label, {name}"
    row(f"{what}, numpy and scipy", times["numpy"], times["monai"], "MONAI", to_monai)
    if "medpy" in times:
        row(f"{what}, numpy and scipy", times["numpy"], times["medpy"], "MedPy", to_medpy)
    if "kernel" in times:
        row(f"{what}, compiled", times["kernel"], times["monai"], "MONAI", to_monai_kernel)


def agree(name: str, numbers: dict[str, tuple[float, float]]) -> None:
    """Stops a race of programs that compute different things."""
    if "kernel" in numbers and numbers["kernel"] != numbers["numpy"]:
        raise SystemExit(f"{name}: kernel {numbers['kernel']}, numpy {numbers['numpy']}")
    # MONAI reckons in float32; MedPy's HD95 is another one (it pools), its mean is ours.
    np.testing.assert_allclose(numbers["numpy"], numbers["monai"], rtol=1e-5)
    if "medpy" in numbers:
        np.testing.assert_allclose(numbers["numpy"][1], numbers["medpy"][1], rtol=1e-9)


def whole_map(quick: bool) -> None:
    """36 labels of a large volume in one call. MONAI takes half a minute: once, or four labels of it."""
    name = "256x256x256, 36 labels"
    prediction, reference, spacing = maps(name)
    labels = [k for k in range(1, 37) if (prediction == k).any() and (reference == k).any()]
    timed = labels[:: len(labels) // 2] if quick else labels

    def monai_labels():
        return [monai(prediction == k, reference == k, spacing) for k in timed]

    contestants = {
        "monai": monai_labels,
        "numpy": lambda: ours(outline.distances, prediction, reference, labels, spacing),
    }
    if kernel := surface.compiled():
        contestants["kernel"] = lambda: ours(
            kernel.distances, prediction, reference, labels, spacing
        )
    times = race(contestants, 0, warm=True)
    peer = [seconds * len(labels) / len(timed) for seconds in times["monai"]]
    if quick:
        say(f"MONAI's time of {len(timed)} labels, taken {len(labels) / len(timed):.1f} times")
    what = f"hd + msd, {name}, in one call"
    row(f"{what}, numpy and scipy", times["numpy"], peer, "MONAI label by label", 150)
    if "kernel" in times:
        row(f"{what}, compiled", times["kernel"], peer, "MONAI label by label", 150)
    two_maps = 2 * prediction.nbytes
    for way in ("numpy", *(["kernel"] if "kernel" in times else [])):
        more = peak_memory(name, way)
        reached = "yes" if more <= 4 * two_maps else "no"
        ours_, maps_ = f"{more / 2**20:.0f} MiB more", f"the two maps {two_maps / 2**20:.0f} MiB"
        ratio = f"{more / two_maps:.2f}x"
        print(f"| {what}, memory, {way} | {ours_} | {maps_} | {ratio} | <= 4x | {reached} |")


def peak_memory(name: str, way: str) -> int:
    """Bytes that measuring adds to the peak of a process of its own that holds the two maps."""
    program = f"""
import resource
import numpy as np
from mos.metrics import outline, surface
from tests.benchmark.metric_maps import CASES, maps
from tests.benchmark.metrics_distance import ours

small = maps("35x51x35")
measure = outline.distances if {way!r} == "numpy" else surface.compiled().distances
ours(measure, *small[:2], [1], small[2])  # what is loaded on first use
prediction, reference, spacing = maps({name!r})
labels = list(range(1, 37))
def status(key):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))
open("/proc/self/clear_refs", "w").write("5")  # the peak starts from here
before = status("VmRSS")
ours(measure, prediction, reference, labels, spacing)
print((status("VmHWM") - before) * 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"the memory was not measured: {done.stderr}")
    return int(done.stdout)


def main() -> None:
    quick = is_quick(__doc__)
    warnings.simplefilter("ignore")
    for name in ONE_LABEL:
        large = "256" in name
        if not (quick and large):
            one_label(name, 3 if quick else 40, with_medpy=not large)
    whole_map(quick)


if __name__ == "__main__":
    main()
