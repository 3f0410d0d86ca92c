"""Looks at what the operating system grants: cores, memory, disk, and how memory is handed out."""

import os
import platform
import re
import shutil
from pathlib import Path

from mos import machine
from mos.doctor.finding import Finding
from mos.folders import cache_root, checkpoint_root

GIB = 2**30
# A training of the default 2-D network takes about 1.5 GiB, of the 3-D one 3 GiB.
LEAST_MEMORY, LEAST_DISK = 3 * GIB, 5 * GIB
SHARED_FILE_SYSTEMS = ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb3", "9p")
# What `.scripts/env` sets for every launcher.
ALLOCATOR = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"
_INTERESTING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve", "bf16")


def look_at_system() -> list[Finding]:
    """Findings on the processor, memory, disks and the allocator."""
    disks = [("datasets", cache_root(), "MOS_CACHE")]
    disks += [("results", checkpoint_root(), "MOS_CHECKPOINT")]
    return [_system(), _cores(), _memory(), _allocator(), *(_disk(*one) for one in disks)]


def _system() -> Finding:
    libc = " ".join(platform.libc_ver()).strip()
    found = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Finding("system", f"{found}, {libc}" if libc else found)


def _cores() -> Finding:
    have, whole, load = machine.cores(), os.cpu_count() or 1, machine.load()
    flags = [flag for flag in _INTERESTING if flag in machine.cpu_flags()]
    found = f"{have} of {whole} cores, {machine.cpu_name()}"
    found += f" ({', '.join(flags)})" if flags else ""
    if load > 1.5 * have:
        advice = "something else computes here too: what is timed now, and any training, is slower"
        return Finding("cpu", f"{found}; load {load:.1f}", "note", advice)
    return Finding("cpu", found)


def _memory() -> Finding:
    sizes = machine.memory()
    if sizes is None:
        return Finding("memory", "not told by this system")
    free, whole = sizes
    found = f"{free / GIB:.1f} of {whole / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        advice = "trainings take 1.5 to 3 GiB: end other programs, or make BS and the crop smaller"
        return Finding("memory", found, "note", advice)
    return Finding("memory", found)


def _allocator() -> Finding:
    """Whether freed memory is kept for the next step, which made fp32 steps 1.3 times as fast."""
    if platform.system() != "Linux":
        return Finding("allocator", "the system's own (the settings are for Linux)")
    if platform.libc_ver()[0] != "glibc":
        return Finding(
            "allocator",
            "not glibc's: its settings have no effect",
            "note",
            "a Linux with glibc (Debian, Ubuntu, Fedora) computes faster on the CPU",
        )
    unset = [name for name in (*ALLOCATOR, HUGE_PAGES) if not os.environ.get(name)]
    if unset:
        advice = "start trainings with a launcher, which sets them"
        return Finding("allocator", f"{', '.join(unset)} not set", "note", advice)
    pages = _huge_pages()
    found = (
        f"keeps freed blocks up to {int(os.environ[ALLOCATOR[0]]) >> 20} MiB; huge pages {pages}"
    )
    if pages == "never":
        advice = "as root: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
        return Finding("allocator", found, "note", f"3-D steps on the CPU gain from them; {advice}")
    return Finding("allocator", found)


def _huge_pages(file: Path = Path("/sys/kernel/mm/transparent_hugepage/enabled")) -> str:
    try:
        chosen = re.search(r"\[(\w+)\]", file.read_text())
    except OSError:
        return "unknown"
    return chosen[1] if chosen else "unknown"


def _disk(about: str, folder: Path, variable: str) -> Finding:
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    kind = _file_system(there)
    found = f"{free / GIB:.0f} GiB free, {folder}" + (f" ({kind})" if kind else "")
    if not os.access(there, os.W_OK):
        advice = f"cannot be written to: change its owner, or set {variable} to a folder of yours"
        return Finding(about, found, "wrong", advice)
    if free < LEAST_DISK:
        advice = f"free some, or set {variable} to a larger disk"
        return Finding(about, found, "note", advice)
    if about == "datasets" and kind in SHARED_FILE_SYSTEMS:
        advice = f"voxels are read from there in every epoch: set {variable} to a local disk"
        return Finding(about, found, "note", advice)
    return Finding(about, found)


def _file_system(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the file system that holds `folder`; empty where the system does not tell."""
    try:
        lines = [line.split() for line in mounts.read_text(errors="replace").splitlines()]
    except OSError:
        return ""
    # A blank in a mount point is written \040.
    places = {line[1].replace("\\040", " "): line[2] for line in lines if len(line) > 2}
    real = folder.resolve()
    return next((places[str(p)] for p in (real, *real.parents) if str(p) in places), "")
