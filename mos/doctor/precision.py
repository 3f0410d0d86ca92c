"""Says in which precision a training would compute here, and why."""

from typing import Any

from mos import machine
from mos.doctor.finding import Finding


def look_at_precision(torch: Any) -> Finding:
    """What `--precision auto` becomes.

    Args:
        torch: the module.
    """
    if torch.cuda.is_available():
        fast = torch.cuda.get_device_capability()[0] >= 8
        why = "the GPU has" if fast else "the GPU lacks"
    else:
        fast = bool(machine.cpu_flags() & machine.BF16_FLAGS)
        why = "the CPU has" if fast else "the CPU lacks"
    found = f"--precision auto is {'bf16' if fast else 'fp32'}: {why} bf16 instructions"
    if not torch.cuda.is_available() and not torch.backends.mkldnn.is_available():
        advice = "this torch lacks oneDNN, which convolutions on a CPU need to be fast: use the pinned release"
        return Finding("precision", found, "note", advice)
    return Finding("precision", found)
