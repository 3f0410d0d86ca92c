"""What the machine offers: device, threads, precision, memory format; said in one line at the start."""

import contextlib
import importlib.util
import os
import shutil
from dataclasses import dataclass

import torch
from torch import nn

from mos.errors import BadInput
from mos.machine import BF16_FLAGS, cores, cpu_flags


@dataclass(frozen=True)
class Machine:
    """Where to compute and how."""

    device: torch.device
    precision: str  # fp32, bf16 or fp16
    compiled: bool = False  # whether the training steps are

    def channels_last(self, wanted: str, norm: str) -> bool:
        """What `--channels_last` comes to for a network with batch, group or instance norm.

        On a CPU instance norm has no kernel for it, and group norm gains in fp32 alone; measured, not assumed:
        batch 1.1 to 1.3 times as fast, group 1.3, instance 0.65 to 0.98.
        """
        if wanted != "auto":
            return wanted == "on"
        if self.device.type == "cpu" and norm == "group":
            return self.precision == "fp32"
        return norm == "batch"

    def compile(self, network: nn.Module) -> nn.Module:
        """The network to train with; it shares its weights with the one that is scored and stored."""
        return torch.compile(network) if self.compiled else network

    def autocast(self) -> contextlib.AbstractContextManager:
        """Runs matrix work in the low precision; nothing happens in fp32."""
        if self.precision == "fp32":
            return contextlib.nullcontext()
        kind = torch.bfloat16 if self.precision == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=kind)

    def scaler(self) -> torch.amp.GradScaler:
        """The loss scaling that fp16 needs; for the others it passes everything through."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision == "fp16")

    def forget_peak_memory(self) -> None:
        """Starts a new measurement of the GPU's peak; a CPU's counts from the start of the process."""
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak_memory_mib(self) -> float:
        """The most memory in use so far: of the GPU, or of the process on a CPU."""
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device) / 2**20
        import resource  # not on Windows, where MOS needs WSL for its launchers anyway

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if os.uname().sysname == "Darwin" else peak / 2**10

    def record(self) -> dict[str, str | int | bool]:
        """What `run.json` keeps of the machine."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "CPU"
        return {
            "device": name,
            "precision": self.precision,
            "threads": torch.get_num_threads(),
            "compiled": self.compiled,
            "memory_of": "GPU" if self.device.type == "cuda" else "process",
        }

    def describe(self, *more: str) -> str:
        """One line: the device, and what was chosen for it; `more` is what the task chose."""
        one = self.record()
        chosen = [one["precision"] + self._why(), *more, "fused AdamW"]
        chosen.append("compiled" if self.compiled else "not compiled")
        if self.device.type == "cuda":
            fixed = torch.backends.cudnn.benchmark
            chosen.append("cuDNN's fastest kernels" if fixed else "cuDNN's repeatable kernels")
        elif os.environ.get("MALLOC_TRIM_THRESHOLD_"):
            pages = " in huge pages" if os.environ.get("THP_MEM_ALLOC_ENABLE") == "1" else ""
            chosen.append(f"memory kept between steps{pages}")
        where = f"{one['device']}, {one['threads']} CPU threads, torch {torch.__version__}"
        return f"{where}: {', '.join(chosen)}"

    def _why(self) -> str:
        """Why a CPU computes in fp32, for those who wonder."""
        lacks = self.device.type == "cpu" and not cpu_flags() & BF16_FLAGS
        return " (no bf16 instructions)" if lacks and self.precision == "fp32" else ""


def layout(network: nn.Module) -> str:
    """`channels_last` or `channels first`: how the weights of most convolutions lie in memory."""
    kernels = [
        p for p in network.parameters() if p.ndim in (4, 5) and min(p.shape[1], p.shape[2]) > 1
    ]
    last = sum(not kernel.is_contiguous() for kernel in kernels)
    return "channels_last" if 2 * last > len(kernels) else "channels first"


def device_type(wanted: str) -> str:
    """`cuda` or `cpu` for `--device`."""
    kind = wanted.partition(":")[0]
    if kind == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if kind not in ("cpu", "cuda"):
        raise BadInput(f"--device {wanted}: needs auto, cpu, cuda or cuda:<number>")
    if kind == "cuda" and not torch.cuda.is_available():
        raise BadInput(
            f"--device {wanted}: torch sees no GPU here; leave --device out to use the CPU"
        )
    return kind


def choose_machine(
    wanted: str,
    precision: str,
    threads: int,
    deterministic: bool,
    local_rank: int = 0,
    local_world: int = 1,
    compiled: bool = False,
) -> Machine:
    """Sets up the device, the thread count and the precision of this process.

    Raises:
        BadInput: a device or precision this machine does not have, or nothing to compile with.
    """
    kind = device_type(wanted)
    if ":" in wanted and local_world > 1:
        raise BadInput(
            f"--device {wanted}: {local_world} processes share it; give cuda, one GPU each"
        )
    index = wanted.partition(":")[2] or str(local_rank)
    if kind == "cuda" and not (index.isdecimal() and int(index) < torch.cuda.device_count()):
        raise BadInput(
            f"--device {wanted}: there are {torch.cuda.device_count()} GPUs, counted from 0"
        )
    device = torch.device("cuda", int(index)) if kind == "cuda" else torch.device("cpu")
    torch.set_num_threads(threads or max(1, cores() // local_world))
    if kind == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = not deterministic
        torch.set_float32_matmul_precision("highest" if deterministic else "high")
    if deterministic:
        # cuBLAS reads this when its first handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)
    if precision == "fp16" and kind == "cpu":
        raise BadInput("--precision fp16: needs a GPU; use fp32 or bf16 on a CPU")
    if precision == "auto":
        precision = "bf16" if _fast_bf16(kind) else "fp32"
    if compiled:
        _check_compiler(kind)
    return Machine(device, precision, compiled)


def _fast_bf16(kind: str) -> bool:
    """Whether bf16 is computed by instructions of its own instead of being emulated."""
    if kind == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    return bool(cpu_flags() & BF16_FLAGS)


def _check_compiler(kind: str) -> None:
    """torch writes C++ for a CPU and Triton for a GPU; told before the data is read, not at the first step."""
    names = [os.environ.get("CXX"), "g++", "clang++"]
    if kind == "cpu" and not any(shutil.which(name) for name in names if name):
        raise BadInput(
            "--compile on: needs a C++ compiler, and none of g++ and clang++ is found; install one, name "
            "yours in CXX, or leave --compile out"
        )
    if kind == "cuda" and importlib.util.find_spec("triton") is None:
        raise BadInput(
            "--compile on: needs the package triton for a GPU; install it, or leave --compile out"
        )
