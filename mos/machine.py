"""What the operating system grants this process: cores, memory, instruction sets, load. No torch."""

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

# Whether bf16 is computed by instructions of its own; without them it is emulated, several times slower.
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
_OLD_MEMORY = ("memory.limit_in_bytes", "memory.usage_in_bytes")


def cores(root: Path = Path("/")) -> int:
    """The cores this process may use: its affinity (Slurm, taskset), less a quota (docker --cpus)."""
    allowed = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    return max(1, min([allowed, *map(int, _quotas(root))]))


def memory(root: Path = Path("/")) -> tuple[int, int] | None:
    """(free, all) bytes of this process's memory, less what its container may use; None if unknown."""
    text = _read(root / "proc/meminfo")
    sizes = {key: int(kib) << 10 for key, kib in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}
    if not {"MemAvailable", "MemTotal"} <= sizes.keys():
        return None
    free, whole = sizes["MemAvailable"], sizes["MemTotal"]
    versions = (("memory.max", "memory.current"), _OLD_MEMORY)
    for folder in _groups(root, "memory"):
        for names in versions:
            limit, used = (_read(folder / name).strip() for name in names)
            if limit.isdecimal() and used.isdecimal():
                # Pages of files count as used there, and make room when something else needs it.
                cached = re.search(r"^inactive_file (\d+)$", _read(folder / "memory.stat"), re.M)
                taken = int(used) - (int(cached[1]) if cached else 0)
                whole = min(whole, int(limit))
                free = min(free, max(0, int(limit) - taken))
    return free, whole


def cpu_flags(root: Path = Path("/")) -> frozenset[str]:
    """The instruction sets by the kernel's names (`avx2`, `avx512_bf16`, `asimd`); empty if unknown."""
    match = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", _read(root / "proc/cpuinfo"), re.M)
    return frozenset(match[1].split()) if match else frozenset()


def cpu_name(root: Path = Path("/")) -> str:
    """The processor as its maker calls it."""
    match = re.search(r"^model name\s*:\s*(.*)$", _read(root / "proc/cpuinfo"), re.M)
    return " ".join(match[1].split()) if match else platform.processor() or platform.machine()


def clock_ghz(root: Path = Path("/")) -> float | None:
    """The processor's clock: what its name says, else what the kernel says now; None if unknown."""
    named = re.search(r"@\s*([\d.]+)\s*GHz", cpu_name(root))
    if named:
        return float(named[1])
    now = re.findall(r"^cpu MHz\s*:\s*([\d.]+)", _read(root / "proc/cpuinfo"), re.M)
    return max(map(float, now)) / 1000 if now else None


def load() -> float:
    """How many processes wanted a core during the last minute, on average; nan if unknown."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")


def _quotas(root: Path) -> Iterator[float]:
    """Cores' worth of time granted by each control group above this process."""
    for folder in _groups(root, "cpu"):
        two = _read(folder / "cpu.max").split()
        old = [_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
        for numbers in (two, old):
            if len(numbers) == 2 and all(n.isdecimal() and int(n) for n in numbers):
                yield int(numbers[0]) / int(numbers[1])


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of the control groups this process is in, and of those around them."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, names, place = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if names else "")
        inner = top / place.strip("/")
        # Inside a container the place is often not to be seen; the top then is the container's own.
        yield from {folder for folder in (inner, *inner.parents) if folder.is_relative_to(top)}


def _read(path: Path) -> str:
    """A file's text; empty where there is none, as on a Mac."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
