"""Run Snakemake as given; where it stops, end with one line that says why, or how to go on after a kill.

    python tools/tables.py mbdgan_1 --config profile=smoke

A target may come last too: Snakemake itself takes every word that follows --config for a setting.
"""

import re
import subprocess
import sys

LOCKED = ("A run that was killed has left its lock. If no other run is at work in this folder, say `make unlock` "
          "(or `snakemake --unlock`), then the same command again: finished rows stay.")  # fmt: skip
PLACE = re.compile(r'\w+(Error|Exception) in file ".*", line \d+:$')  # the reason stands in the next line
REASON = re.compile(r"\s*(?:ValueError|TypeError|FileNotFoundError|WorkflowError): (.+)")
STOPPED = re.compile(r".* stopped at cell .*")  # by tools/run.py: why a row failed


def with_targets_last(words: list[str]) -> list[str]:
    """Move the words without = that follow --config behind all others, after a --, where Snakemake reads targets."""
    kept: list[str] = []
    targets: list[str] = []
    settings = False
    for n, word in enumerate(words):
        if word == "--":
            return [*kept, "--", *targets, *words[n + 1 :]]
        settings = word in ("--config", "-C") or (settings and not word.startswith("-"))
        (targets if settings and "=" not in word and not word.startswith("-") else kept).append(word)
    return [*kept, *(["--", *targets] if targets else [])]


def reasons(lines: list[str]) -> list[str]:
    """Find the reasons in what Snakemake prints, each once, in their order."""
    after = [text for before, text in zip(lines, lines[1:], strict=False) if PLACE.match(before)]
    inside = [match[1] for line in lines if (match := REASON.match(line))]
    stopped = [line for line in lines if STOPPED.match(line)]
    return list(dict.fromkeys(text for text in [*after, *inside, *stopped] if not text.startswith("Command '")))


def main() -> int:
    command, lines, locked = [sys.executable, "-m", "snakemake", *with_targets_last(sys.argv[1:])], [], False
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}  # a plan is printed to one, a run to the other
    with subprocess.Popen(command, **both, text=True, errors="replace") as process:
        for line in process.stdout or ():
            lines.append(line.rstrip())
            locked = locked or "LockException" in line
            if not locked:
                print(line, end="", flush=True)
    if process.returncode:
        for reason in [LOCKED] if locked else reasons(lines):
            print(f"Why it stopped: {reason}", file=sys.stderr)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
