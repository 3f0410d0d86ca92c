"""The one exception that is shown to a user as a message instead of a traceback."""

import os
import sys
import traceback
from collections.abc import Callable

EXIT_BAD_INPUT = 2


class BadInput(Exception):
    """Something the user gave cannot be used; the message says what to give instead.

    A message names the file, key or flag, what was found, what was needed, and what to type.
    """


def run_main(main: Callable[[], int | None]) -> None:
    """Runs a program's `main` and exits: 0 or its return value, 2 for BadInput, 130 for Ctrl-C.

    With `MOS_DEBUG=1` in the environment a BadInput is shown with its traceback.
    """
    try:
        code = main() or 0
    except BadInput as error:
        if os.environ.get("MOS_DEBUG") == "1":
            traceback.print_exc()
        print(f"error: {error}", file=sys.stderr)
        code = EXIT_BAD_INPUT
    except BrokenPipeError:
        # `... | head` closed our output: not an error of ours, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except KeyboardInterrupt:
        print("stopped; the same command continues from the last stored state", file=sys.stderr)
        code = 130
    sys.exit(code)
