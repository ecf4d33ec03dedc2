"""The command `trivet demo`, and what it may be asked for."""

from __future__ import annotations

from typing import Annotated

import typer

from trivet.cli.options import IndexPlace


def demo_command(
    index: IndexPlace = "trivet-demo",
    module: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="This module alone, such as zipfile; may be repeated.",
            show_default="the whole library",
        ),
    ] = None,
) -> None:
    """Index the documentation of Python's standard library, and ask it ten questions."""
    from trivet.cli.demo import run_demo
    from trivet.cli.stdlib_docs import standard_library

    raise typer.Exit(run_demo(index, corpus=lambda: standard_library(module or ())))
