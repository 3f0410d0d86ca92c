"""Times one 2-D and one 3-D convolution, forward and backward, against what such a machine should do.

On a CPU one core is measured, by the time that core worked: others who compute here then change
little, and the reference is what one core does on paper. On a GPU the clock is the wall's.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mos import machine
from mos.doctor.finding import Finding

# Floating-point operations of one core in a clock: two fused multiply-adds of a vector each.
PER_CLOCK = {"avx512f": 64, "avx2": 32, "asimd": 16}
# Dense bf16 (before Ampere fp16) teraflop/s on paper, by a part of the GPU's name. First match.
GPU_PEAKS = {
    **{"B200": 2250, "H200": 989, "H100 PCIe": 756, "H100": 989, "A100": 312, "L40S": 362},
    **{"L40": 181, "L4": 121, "A40": 150, "A30": 165, "A10": 125, "RTX 6000 Ada": 364},
    **{"A6000": 155, "A5000": 111, "A4000": 77, "4090": 165, "4080": 98, "3090": 71, "3080": 60},
    **{"V100": 125, "T4": 65},
}
# Parts of the paper's rate below which something is wrong. A convolution of a U-Net's first level,
# which is what is timed, reaches 0.2 to 0.5 on CPUs; on GPUs memory bounds it.
LEAST_SHARE = {"cpu": 0.08, "cuda": 0.03}
# A precision is no help when it takes longer than this times fp32 (in 3-D, some torch releases: 4).
MOST_SLOWDOWN = 1.2
_SECONDS = 0.5  # for each convolution


@dataclass(frozen=True)
class Rate:
    """What was measured of one convolution, in 1e9 floating-point operations a second."""

    fp32: float
    low: float | None  # in the precision of a default training; None where that is fp32


def look_at_speed(torch: Any) -> list[Finding]:
    """Findings on the two convolutions.

    Args:
        torch: the module. Its thread count is left as it was.
    """
    gpu = torch.cuda.is_available()
    device, paper = torch.device("cuda" if gpu else "cpu"), None
    if gpu:
        low = torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else None
        name = torch.cuda.get_device_name()
        paper = next((1e3 * peak for part, peak in GPU_PEAKS.items() if part in name), None)
    else:
        low = torch.bfloat16 if machine.cpu_flags() & machine.BF16_FLAGS else None
        paper = paper_rate()
    findings = []
    for dims in (2, 3):
        rate = Rate(_measure(torch, dims, device), low and _measure(torch, dims, device, low))
        findings.append(judge(f"conv {dims}-D", rate, paper, device.type))
    return findings


def paper_rate() -> float | None:
    """What one core of this CPU does in fp32 on paper, in GFLOP/s; None where that is unknown."""
    flags, clock = machine.cpu_flags(), machine.clock_ghz()
    each = next((count for flag, count in PER_CLOCK.items() if flag in flags), None)
    return clock * each if clock and each else None


def judge(about: str, rate: Rate, paper: float | None, device_type: str) -> Finding:
    """What a measured rate means.

    Args:
        paper: GFLOP/s of the machine on paper, of one core on a CPU; None: unknown.
    """
    best = max(rate.fp32, rate.low or 0)
    unit = "GFLOP/s a core" if device_type == "cpu" else "GFLOP/s"
    found = f"{rate.fp32:.0f} {unit} in fp32"
    if rate.low:
        found += f", {rate.low:.0f} in bf16"
    if paper:
        found += f"; {best / paper:.0%} of the {paper:.0f} on paper"
    if rate.low and rate.fp32 > MOST_SLOWDOWN * rate.low:
        advice = (
            "bf16 is slower than fp32 with this torch: use the pinned release, or --precision fp32"
        )
        return Finding(about, found, "note", advice)
    if paper and best < LEAST_SHARE[device_type] * paper:
        cause = "another program computes on it, or it runs too hot, or torch was built without "
        cause += "oneDNN" if device_type == "cpu" else "cuDNN"
        return Finding(about, found, "note", f"that is slow: {cause} (use the pinned release)")
    return Finding(about, found)


def _measure(torch: Any, dims: int, device: Any, low: Any = None) -> float:
    """GFLOP/s of a 3x3(x3) convolution of 32 channels, forward and backward."""
    shape = (4, 32, 96, 96) if dims == 2 else (1, 32, 16, 48, 48)
    if device.type == "cuda":
        shape = (32, *shape[1:]) if dims == 2 else (16, *shape[1:])
    kind = torch.nn.Conv2d if dims == 2 else torch.nn.Conv3d
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # of a CPU one core is judged; a GPU does not mind
    try:
        image = torch.rand(shape, device=device, requires_grad=True)
        layer = kind(32, 32, 3, padding=1).to(device)

        def once() -> None:
            with torch.autocast(device.type, dtype=low, enabled=low is not None):
                answer = layer(image)
            answer.sum().backward()
            if device.type == "cuda":
                torch.cuda.synchronize()

        clock = time.perf_counter if device.type == "cuda" else time.thread_time
        seconds = _best(once, clock)
    finally:
        torch.set_num_threads(before)
    places = image.numel() // 32
    return 3 * 2 * places * 32 * 32 * 3**dims / seconds / 1e9


def _best(work: Callable[[], None], clock: Callable[[], float]) -> float:
    """The seconds of the quickest of a few rounds; the first, which sets things up, does not count."""
    work()
    quickest, rounds, started = float("inf"), 0, time.perf_counter()
    while rounds < 2 or (rounds < 10 and time.perf_counter() - started < _SECONDS):
        begin = clock()
        work()
        quickest, rounds = min(quickest, clock() - begin), rounds + 1
    return quickest
