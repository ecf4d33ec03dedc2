"""One command line run from end to end: every error becomes a line and an exit code."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import typer

from trivet.cli.app import app
from trivet.cli.render import complain
from trivet.cli.wording import in_shell
from trivet.errors import TrivetError

# Other people's progress bars and chatter would run through ours. Set for this process only, and
# only where the user has not chosen otherwise.
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}

# Typer names no class for every error of usage; it is the base of the one that it does name.
USAGE_ERROR = typer.BadParameter.__bases__[0]

DEBUG = "--debug"


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Args:
        arguments: what follows the program's name; none = `--help`.

    Returns:
        The exit code.
    """
    for name, setting in QUIET.items():
        os.environ.setdefault(name, setting)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a text that the terminal's encoding lacks
    try:
        code = _invoke(list(arguments) or ["--help"])
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads us (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _invoke(arguments: list[str]) -> int:
    """Run one command line; every error but a broken pipe becomes a line and an exit code."""
    # Behind "--" stand texts, and before it any place will do.
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = DEBUG in options
    rest = [part for part in options if part != DEBUG] + arguments[len(options) :]
    group = typer.main.get_command(app)
    try:
        with group.make_context("trivet", rest) as context:
            group.invoke(context)
    except typer.Exit as stop:
        return stop.exit_code
    except (KeyboardInterrupt, typer.Abort):
        complain("stopped; run again to resume")
        return 130
    except BrokenPipeError:
        raise
    except Exception as error:
        if debug:
            raise
        if isinstance(error, USAGE_ERROR) and not str(error):
            return 2  # no command was named, and the help of all is shown
        complain(f"error: {_explained(error)}")
        return 2 if isinstance(error, USAGE_ERROR) else 1
    return 0


def _explained(error: Exception) -> str:
    """What an error says to someone who sees no traceback."""
    if isinstance(error, USAGE_ERROR):
        message = getattr(error, "format_message", error.__str__)().rstrip(".")
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "trivet"
        return f"{message} (see {command} --help)"
    if isinstance(error, TrivetError | OSError):
        return in_shell(str(error))
    return f"unexpected {type(error).__name__}: {error} (--debug shows where)"
