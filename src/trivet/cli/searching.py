"""`trivet search` and `trivet info`: what an index answers, and what it holds."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import trivet
from trivet.cli import render
from trivet.cli.places import open_existing
from trivet.index.open import is_url
from trivet.reports import IndexInfo, RecallReport
from trivet.thinking import Replay, Thinking, ThoughtReport

# Replayed thoughts are there at once; the model, loaded for the first search, is not.
PATIENT_S = 600.0


def search_index(
    query: str,
    location: str | os.PathLike[str],
    *,
    k: int,
    modes: Sequence[str] | None,
    tenant: str | None = None,
    think_file: Path | None = None,
    as_json: bool,
) -> None:
    """Search an index and print the hits.

    Args:
        query: a question, or words.
        location: a folder, or of a server, as `open_existing` takes it.
        k: how many documents.
        modes: the legs to search with; None or empty = all.
        tenant: whose documents; None in an index without tenants.
        think_file: thoughts to replay, as `trivet.thinking.Replay` reads them.
        as_json: print a list of objects with the fields of `Hit`.

    Raises:
        NotAnIndexError: there is no index.
        TenantError: it has tenants and none is named, or the other way round.
        InvalidInputError: a file of thoughts that cannot be read.
    """
    told: list[ThoughtReport] = []
    thinking = None
    if think_file is not None:
        thinking = Thinking(Replay(think_file), deadline_s=PATIENT_S, tell=told.append)
    with open_existing(location) as index, render.waiting("Loading the model"):
        chosen = of_tenant(index, tenant)
        hits = chosen.search(query, k=k, modes=modes or None, think=thinking)
    for report in told:
        render.complain(_thought_line(report))
    if as_json:
        _print_json([asdict(hit) for hit in hits])
    else:
        render.print_hits(hits)


def show_index(
    location: str | os.PathLike[str],
    *,
    tenant: str | None = None,
    recall: bool = False,
    as_json: bool,
) -> None:
    """Print what an index holds; loads no model.

    Args:
        location: a folder, or of a server, as `open_existing` takes it.
        tenant: whose documents are counted; None = everybody's.
        recall: also measure how much of an exact search the dense search finds.
        as_json: print one object with the fields of `IndexInfo`, and with `recall` those of
            `RecallReport` under "recall"; "size_bytes" is null on a server, which does not say.

    Raises:
        NotAnIndexError: there is no index.
    """
    with open_existing(location) as index:
        described = of_tenant(index, tenant).describe()
        measured = index.measure_recall() if recall else None
    if as_json:
        spaces = [space.to_json() for space in described.spaces]
        fields = {name: getattr(described, name) for name in described.__dataclass_fields__}
        if is_url(described.location):
            fields["size_bytes"] = None
        more = {} if measured is None else {"recall": asdict(measured)}
        _print_json({**fields, "spaces": spaces, **more})
        return
    rows = [
        *([("tenant", described.tenant or "all")] if described.tenants else []),
        ("documents", f"{described.documents:,}"),
        ("chunks", f"{described.chunks:,}"),
        ("model", described.model),
        *(
            ("spaces" if i == 0 else "", _space_line(space))
            for i, space in enumerate(described.spaces)
        ),
        *([("translated", f"{described.translated:,}")] if described.translated else []),
        *([] if described.dense_floor is None else [("floor", f"{described.dense_floor:.3f}")]),
        ("engine", described.engine),
        ("on disk", _on_disk(described)),
        ("created", described.created),
        ("optimized", _optimized(described)),
        *([] if measured is None else [("recall", _recall(measured))]),
    ]
    console = render.output()
    console.print(render.one_line(described.location), style="bold", soft_wrap=True)
    for name, fact in rows:
        console.print(f"  {name:<9}  {render.one_line(fact)}", soft_wrap=True)


def _thought_line(report: ThoughtReport) -> str:
    """What a search made of the thoughts about its query."""
    if not report.thoughts:
        return f"thoughts: none ({report.reason})"
    judged = ", ".join(
        f"{each.thought.kind} {each.likeness:.2f} {'kept' if each.kept else 'dropped'}"
        for each in report.thoughts
    )
    return f"thoughts: {judged} (the guard is {report.guard:.2f})"


def _on_disk(described: IndexInfo) -> str:
    return (
        "not told by the server"
        if is_url(described.location)
        else render.size(described.size_bytes)
    )


def _optimized(described: IndexInfo) -> str:
    if is_url(described.location):
        return "by the server itself"
    if described.optimize_pays:
        return f"{described.optimized:,} chunks; run `trivet optimize` for faster searches"
    return f"{described.optimized:,} chunks" if described.optimized else "not needed"


def _recall(measured: RecallReport) -> str:
    return (
        f"{measured.recall:.3f} of the {measured.k} nearest (of {measured.sampled:,} stored "
        f"vectors), storage {measured.storage}: {measured.vector_bytes:,} of "
        f"{measured.full_bytes:,} bytes a dense vector, {measured.small_chunks:,} of "
        f"{render.plural(measured.chunks, 'chunk')} small"
    )


def _space_line(space: trivet.Space) -> str:
    about = f", {space.dims} dims" if space.dims else ""
    if "language" in space.facts:
        about += f", {space.facts['language']}"
    return f"{space.vector_name}  {space.model}{about}"


def of_tenant(index: trivet.Index, tenant: str | None) -> trivet.Index:
    """The index, or the view of a tenant.

    Raises:
        TenantError: no such name, or an index without tenants.
    """
    return index if tenant is None else index.tenant(tenant)


def _print_json(value: object) -> None:
    # Escaped to ASCII, so that no text in it can steer a terminal or miss its encoding.
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
