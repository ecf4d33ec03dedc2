"""Query drift compensation: what maps keep, gain and refuse between models made of MiniLM."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from benchmarks import (
    drift_costs,
    drift_gate,
    drift_latency,
    drift_migration,
    drift_quality,
    results,
)
from benchmarks.figures import Figure

TITLE = "Drift compensation between models made of all-MiniLM-L6-v2, nDCG@10"
METHOD = (
    "Exact search over whole documents (title and text, cut at 256 tokens); migration and added "
    "latency in the real engine; migration by the order of ids, which are drawn, and hot "
    "documents first, by the judged queries themselves. Maps are chosen as `upgrade` chooses "
    "them, on a fifth that is held out; pairs are documents, and for drift of one model spans of "
    "these too. Means over three draws of the pairs, of translations over six; intervals by "
    "bootstrap over queries. The gate: 50, 200 and 1,000 documents of models that drifted and of "
    "others, drifted models with noise, few pairs of unequal dims, shuffled pairs, another "
    "collection, random vectors; each map is judged on spans of documents that it was not fitted "
    "to, and the truth is nDCG@10 of the judged queries, compensated over old. Applying a map: "
    "the time that a query waits (wall), with all cores, and what these compute in it (CPU)."
)
PARTS: dict[str, Callable[[], list[Figure]]] = {
    "static": drift_quality.static_to_minilm,
    "cuts": drift_quality.cuts,
    "layers": drift_quality.layers,
    "tuned": drift_quality.tuned,
    "gate": drift_gate.gate,
    "migration": drift_migration.migration,
    "latency": drift_latency.latency,
    "costs": drift_costs.costs,
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    for part in parser.parse_args(arguments).parts:
        results.report("drift", TITLE, METHOD, PARTS[part]())


if __name__ == "__main__":
    main()
