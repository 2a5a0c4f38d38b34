"""The entry script: `python submission.py --help`."""

import sys

from solver.cli import submission

if __name__ == "__main__":
    sys.exit(submission())
