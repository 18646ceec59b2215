"""python -m slipwayctl: see --help."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line of this process, and return its exit code."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its log repeats, unreadably, what the errors say
    try:
        from .cli import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:  # before there was anything to clean up
        return 130


if __name__ == "__main__":
    sys.exit(main())
