"""The command line: `trivet index`, `search`, `eval`, `mcp`, `info`, upkeep, and `demo`."""

from __future__ import annotations

import sys

PACKAGES = ("rich", "typer")


def main() -> int:
    """Run the command that the process was started with.

    Returns:
        The exit code; `trivet --help` lists them.
    """
    try:
        from trivet.cli.running import run
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in PACKAGES:
            raise
        sys.stderr.write(
            f"error: the command line needs the package {package!r}, which is not installed: "
            'pip install "trivet[cli]"\n'
        )
        return 1
    return run(sys.argv[1:])
