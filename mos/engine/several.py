"""torchrun without its own traceback: a process that fails has said why, and its exit code is kept.

python -m mos.engine.several --standalone --nproc_per_node 2 -m run.baseline ...
"""

import logging
import os
import signal
import sys


def main() -> None:
    """Starts the processes and ends as the first of them that failed."""
    # torchrun would set this too, with a banner; every process then asks for its own threads.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    logging.disable(logging.ERROR)  # the agent logs what its processes have said already
    try:
        run.main(sys.argv[1:])
    except ChildFailedError as error:
        code = error.get_first_failure()[1].exitcode
        sys.exit(code if code > 0 else 128 - code)
    except SignalException as stopped:
        sys.exit(128 + stopped.sigval)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
