"""The commands for the upkeep of an index: `optimize`, `backup`, `verify`, `doctor` and others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trivet.cli.options import AsJson, IndexFolder, IndexPlace


def optimize_command(
    index: IndexPlace,
    force: Annotated[
        bool, typer.Option("--force", help="Also where a folder's index is small or hardly grew.")
    ] = False,
) -> None:
    """Make searches of a large index in a folder fast, by graph instead of by scan.

    Where BM25's average length is off, all chunks are weighted anew. On a server that is all: it
    makes its graphs by itself.
    """
    from trivet.cli.upkeep import optimize_index

    optimize_index(index, force=force)


def backup_command(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A folder that is not there, or is empty.")
    ],
    index: IndexFolder,
) -> None:
    """Copy an index, with checksums, to a folder that `trivet restore` reads.

    On a server, snapshots take its place: `trivet.Snapshots`, from Python.
    """
    from trivet.cli.upkeep import back_up_index

    back_up_index(index, target)


def restore_command(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="What `trivet backup` made.")],
    index: IndexFolder,
) -> None:
    """Make an index of a backup, in a folder that is not there, or is empty.

    On a server, snapshots take its place: `trivet.Snapshots`, from Python.
    """
    from trivet.cli.upkeep import restore_index

    restore_index(backup, index)


def verify_command(index: IndexPlace, as_json: AsJson = False) -> None:
    """Compare every chunk with what the journal says; exit code 1 if something is wrong."""
    from trivet.cli.upkeep import verify_index

    raise typer.Exit(verify_index(index, as_json=as_json))


def repair_command(index: IndexFolder) -> None:
    """Put a damaged index right again; documents that are no longer whole are named on stderr.

    An index on a server is put right as it is opened, or from a snapshot.
    """
    from trivet.cli.upkeep import repair_index

    raise typer.Exit(repair_index(index))


def doctor_command(
    index: IndexPlace,
    collection: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="On a server.", show_default="as in --index, else trivet"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong with an index, and say what to do."""
    from trivet.cli.doctoring import examine_index

    raise typer.Exit(examine_index(index, collection, as_json=as_json))
