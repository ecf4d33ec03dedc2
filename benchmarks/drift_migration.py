"""Indexes migrated little by little: what they find meanwhile, in the real engine."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import trivet
from benchmarks import beir
from benchmarks.drift_moves import PerQuery, figure
from benchmarks.drift_vectors import Corpus, Encode, corpus, embedded, minilm, static
from benchmarks.figures import Bar, Figure
from benchmarks.quality import judge, search
from trivet import Embedder
from trivet.index.upgrade import Upgrade
from trivet.types import Vectors

COLLECTIONS = ("cranfield", "npl")
SHARES = (0.10, 0.25, 0.50, 0.75)
# "id" is the order of ids that are drawn; "hot" that of the judged queries' own hits.
ORDERS = ("id", "hot")
# Every document is one chunk, as its kept vector is that of all of it.
MAX_TOKENS = 100_000


@dataclass(frozen=True)
class Model:
    """A model whose vectors of a collection are kept.

    Attributes:
        label: of the kept vectors.
        dims: of its vectors.
        encode: the model for a collection.
    """

    label: str
    dims: int
    encode: Callable[[Corpus], Encode]

    def embedder(self, of: Corpus) -> Embedder:
        """It gives back what is kept, and embeds all else, which is short spans."""
        encode = self.encode(of)
        rows = embedded(of, self.label, encode)
        texts = [*of.collection.texts, *of.collection.queries.values()]
        known = dict(zip(texts, np.concatenate([rows.documents, rows.queries]), strict=True))

        def embed(asked: list[str]) -> Vectors:
            new = [text for text in asked if text not in known]
            made = dict(zip(new, encode(new), strict=True)) if new else {}
            return np.stack([known[text] if text in known else made[text] for text in asked])

        return Embedder.wrap(
            name=self.label, dims=self.dims, documents=embed, queries=embed, max_tokens=MAX_TOKENS
        )


SIX = Model("minilm-6", 384, lambda _: minilm())
MOVES = {
    "4 → 6 layers": (Model("minilm-4", 384, lambda _: minilm(layers=4)), SIX),
    "static → MiniLM": (Model("static", 256, static), SIX),
}


class _Enough(Exception):  # noqa: N818  (no failure: how a migration is stopped at a share)
    """So many documents are native."""


def migration() -> list[Figure]:
    """To a model that is better: quality by the share of native vectors."""
    figures = []
    for name in COLLECTIONS:
        of = corpus(name)
        for what, (old, new) in MOVES.items():
            figures += _moved(of, f"{name}: {what}, in a folder", old, new)
    return figures


def _moved(of: Corpus, what: str, old: Model, new: Model) -> list[Figure]:
    newer = new.embedder(of)
    with tempfile.TemporaryDirectory() as scratch:
        ready = Path(scratch) / "ready"
        with trivet.open(ready, model=old.embedder(of), modes=["dense"]) as index:
            index.add(of.collection.documents, on_error="raise")
            figures = [figure(f"{what}: old", _quality(index, of.collection))]
            _bridge(index.upgrade(newer))
        for order in ORDERS:
            folder = Path(scratch) / order
            shutil.copytree(ready, folder)
            with trivet.open(folder, model=newer) as index:
                figures += _migrated(index, of.collection, what, order)
    # The query mode and the end are the same in every order.
    return list({each.what: each for each in figures}.values())


def _bridge(upgrade: Upgrade) -> None:
    upgrade.plan()
    upgrade.fit()
    upgrade.verify()
    upgrade.cutover("query", force=True)


def _migrated(
    index: trivet.Index, collection: beir.Collection, what: str, order: str
) -> list[Figure]:
    upgrade = index.current_upgrade
    assert upgrade is not None
    compensated = _quality(index, collection)
    upgrade.cutover("translate", force=True)
    figures = [
        figure(f"{what}: query mode", compensated),
        figure(f"{what}: translated − query mode", _quality(index, collection) - compensated),
    ]
    for share in SHARES:
        native = _to_share(upgrade, order, share)
        label = f"{what}, order {order}: {share:.0%} native − query mode"
        figures.append(figure(label, _quality(index, collection) - compensated, Bar(low=-0.01)))
        print(f"{label}: {native:.3f} are", flush=True)
    upgrade.migrate(order)
    return [*figures, figure(f"{what}: all native", _quality(index, collection))]


def _quality(index: trivet.Index, collection: beir.Collection) -> PerQuery:
    """nDCG@10 of the dense leg alone."""
    return judge(collection, search(index, collection, ["dense"]))


def _to_share(upgrade: Upgrade, order: str, share: float) -> float:
    """Migrate until a share of the documents is native, to a batch; returns the share."""
    status = upgrade.status()
    left = share * status.documents - status.native

    def enough(done: int) -> None:
        if done >= left:
            raise _Enough

    with contextlib.suppress(_Enough):
        upgrade.migrate(order, progress=enough)
    status = upgrade.status()
    return status.native / status.documents
