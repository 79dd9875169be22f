"""Run Snakemake as given, and say in one line what to do where an earlier run was killed and left its lock.

    python tools/tables.py --cores 2 --config profile=smoke -- mbdgan_1
"""

import subprocess
import sys

LOCKED = ("A run that was killed has left its lock. If no other run is at work in this folder, say `make unlock` "
          "(or `snakemake --unlock`), then the same command again: finished rows stay.")  # fmt: skip


def main() -> int:
    command = [sys.executable, "-m", "snakemake", *sys.argv[1:]]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace") as process:
        locked = False
        for line in process.stderr or ():
            locked = locked or "LockException" in line
            if not locked:
                print(line, end="", file=sys.stderr, flush=True)
    if locked:
        print(LOCKED, file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
