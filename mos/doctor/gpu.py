"""Looks at the GPUs: the driver, what torch was built for, and whether the two fit."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from mos.doctor.finding import Finding

GIB = 2**30
DRIVER_FILE = Path("/proc/driver/nvidia/version")
# The oldest Linux driver of each CUDA release's own major version (NVIDIA, CUDA compatibility).
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
FULL = 0.5  # a GPU with less of its memory free than this is shared with somebody


def driver_version() -> str | None:
    """The NVIDIA driver's version, `580.65.06`; None where none is loaded."""
    try:
        text = DRIVER_FILE.read_text()
    except OSError:
        text = _ask("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    match = re.search(r"\b\d{3,}\.\d+(?:\.\d+)?\b", text)
    return match[0] if match else None


def _ask(*command: str) -> str:
    if not shutil.which(command[0]):
        return ""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=3).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def look_at_gpus(torch: Any) -> list[Finding]:
    """Findings on torch's build, the driver and each GPU.

    Args:
        torch: the module.
    """
    built = torch.version.cuda or (torch.version.hip and f"ROCm {torch.version.hip}")
    driver = driver_version()
    told = f"{torch.__version__}, built for {f'CUDA {built}' if built else 'CPUs alone'}"
    findings = [Finding("torch", told)]
    if torch.cuda.is_available():
        if driver:
            findings.append(Finding("driver", driver))
        return findings + [_gpu(torch, index) for index in range(torch.cuda.device_count())]
    return findings + [_no_gpu(built, driver)]


def _no_gpu(built: str | None, driver: str | None) -> Finding:
    """Why torch sees no GPU."""
    if driver is None:
        return Finding("gpu", "none (no NVIDIA driver is loaded): trainings run on the CPU")
    found = f"driver {driver} is loaded, but torch sees no GPU"
    if not built:
        advice = "this torch is a build for CPUs; install the one for CUDA (leave MOS_PIP_ARGS out)"
        return Finding("gpu", found, "wrong", advice)
    oldest = OLDEST_DRIVER.get(int(built.partition(".")[0])) if built[0].isdigit() else None
    if oldest and int(driver.partition(".")[0]) < oldest:
        advice = f"CUDA {built} needs driver {oldest} or later: update it, or install a torch for an older CUDA"
        return Finding("gpu", found, "wrong", advice)
    advice = "look at CUDA_VISIBLE_DEVICES, at nvidia-smi, and in a container at its --gpus option"
    return Finding("gpu", found, "wrong", advice)


def _gpu(torch: Any, index: int) -> Finding:
    """One GPU: memory, and whether torch has kernels for it."""
    about = f"gpu {index}"
    major, minor = torch.cuda.get_device_capability(index)
    free, whole = torch.cuda.mem_get_info(index)
    found = (
        f"{torch.cuda.get_device_name(index)}, {free / GIB:.1f} of {whole / GIB:.1f} GiB free, "
        f"compute capability {major}.{minor}, bf16 {'yes' if major >= 8 else 'no'}"
    )
    if not _has_kernels(torch.cuda.get_arch_list(), major, minor):
        advice = (
            "this torch has no kernels for it: install one built for this GPU, or use --device cpu"
        )
        return Finding(about, found, "wrong", advice)
    if free < FULL * whole:
        advice = "another program uses it (nvidia-smi names it): choose another with --device cuda:<number>"
        return Finding(about, found, "note", advice)
    if major < 8:
        advice = "--precision fp16 uses its tensor cores; the default here is fp32"
        return Finding(about, found, "note" if major == 7 else "good", advice if major == 7 else "")
    return Finding(about, found)


def _has_kernels(built: list[str], major: int, minor: int) -> bool:
    """Machine code runs on later minor versions of its major one; PTX is compiled for any later GPU."""
    for name in built:
        kind, _, number = name.partition("_")
        digits = re.match(r"\d+", number)
        if not digits:
            return True  # a build for other GPUs, which counts differently
        its = divmod(int(digits[0]), 10)
        if kind == "compute" and its <= (major, minor):
            return True
        if kind == "sm" and its[0] == major and its[1] <= minor:
            return True
    return not built
