"""The store: filters, large indexes, speed and memory of ingest, documents that are unchanged."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import trivet
from benchmarks import results, store_filters, store_ingest, store_stalls
from benchmarks.figures import Figure
from trivet.embedding.locate import DEFAULT_MODEL

TITLE = "Store, Qdrant Edge in a folder"
METHOD = (
    "Filters: recall@10 of all judged and unjudged queries against brute force over every document "
    "that the filter allows, in NumPy, with vectors of all-MiniLM-L6-v2; a tie with the tenth is "
    "as good as the tenth. Large index: texts of NPL over and over with made-up clustered vectors "
    "of 384 dimensions; the store's whole answer to a hybrid request, in wall time, one thread "
    "asking without a pause while another optimizes. Ingest: the same texts and made-up vectors, "
    "journal and read-back included, each run in a process of its own; own memory is what belongs "
    "to the process alone, mapped files are the engine's, which the system may drop."
)


def filters(name: str) -> list[Figure]:
    return store_filters.measure(name, trivet.Embedder.load(DEFAULT_MODEL, modes=["dense"]))


PARTS: dict[str, Callable[[], list[Figure]]] = {
    "ingest": store_ingest.in_fresh_processes,
    "again": store_ingest.measure_again,
    "large": store_stalls.measure,
    **{name: partial(filters, name) for name in store_filters.COLLECTIONS},
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.store", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    for part in parser.parse_args(arguments).parts:
        results.report("store", TITLE, METHOD, PARTS[part]())


if __name__ == "__main__":
    main()
