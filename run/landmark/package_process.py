"""The program of a packaged run: reads the pictures at /input, writes their points to /output.

`cmd/package` copies this file as `process.py`; beside it lie `code/`, `model/` and `package.json`.
"""

import os
import sys
from pathlib import Path

INPUT = "/input/images/lateral-dental-x-rays"
OUTPUT = "/output/orthodontic-landmarks.json"
HERE = Path(__file__).resolve().parent


def main() -> None:
    """Finds the points; the folders are others where MOS_PACKAGE_INPUT and MOS_PACKAGE_OUTPUT say so."""
    from run.landmark.package_answer import answer

    source = Path(os.environ.get("MOS_PACKAGE_INPUT") or INPUT)
    output = Path(os.environ.get("MOS_PACKAGE_OUTPUT") or OUTPUT)
    device = os.environ.get("MOS_PACKAGE_DEVICE") or "auto"
    threads = int(os.environ.get("MOS_PACKAGE_THREADS") or 0)  # 0: all cores
    answer(HERE, source, output, device=device, threads=threads)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE / "code"))
    from mos.errors import run_main

    run_main(main)
