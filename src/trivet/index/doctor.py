"""The examination of an index: what is wrong with it, and what to do; nothing is written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator

from trivet.embedding import Embedder
from trivet.errors import DriftError, EmbeddingError, ModelError, SpaceMismatchError, StoreError
from trivet.index.canary import LEAST_COSINE, canary_cosines, make_canaries
from trivet.index.legs_health import examine_legs
from trivet.index.model import IndexModel
from trivet.reports import LEVELS, Finding, HealthReport, LegHealth, Level
from trivet.store.generations import Generation, UpgradeRecord
from trivet.store.store import Store

VERIFY = "run `trivet verify`, which names the documents, and then `trivet repair`"


def examine(store: Store, model: IndexModel) -> HealthReport:
    """Examine an index.

    Args:
        store: of the index.
        model: its models.

    Raises:
        StoreError: the engine or the journal cannot be read.
    """
    store.refresh()
    record = store.manifest.upgrade
    legs = examine_legs(store, model)
    findings = [
        *_models(store, model, record),
        *_counts(store),
        *_vectors(store, legs),
        *(() if record is None else _upgrade(store, model, record)),
    ]
    findings.sort(key=lambda each: -LEVELS.index(each.level))
    return HealthReport("stable" if record is None else record.state, legs, tuple(findings))


def _models(store: Store, model: IndexModel, record: UpgradeRecord | None) -> Iterator[Finding]:
    """What is recorded of each model against the model itself, and against its canaries."""
    generation = store.manifest.generation
    if not generation.spaces:
        return
    # Of mapped queries the older model makes none: it is asked for when documents are added.
    is_bridged = record is not None and record.is_bridged
    yield from _model(store, model, generation, is_needed=not is_bridged)
    if record is not None and record.state != "leaving":
        yield from _model(store, model, record.other, is_needed=record.is_bridged)


def _model(
    store: Store, model: IndexModel, generation: Generation, *, is_needed: bool
) -> Iterator[Finding]:
    level: Level = "broken" if is_needed else "look"
    name = generation.name
    try:
        embedder = model.found_of(generation)
    except SpaceMismatchError as error:
        yield Finding(
            level, "model", f"{name!r} is not the model whose vectors are stored: {error}",
            "open the index with the model as it was, or upgrade to the one that is there under a "
            "name of its own",
        )  # fmt: skip
        return
    except ModelError as error:
        yield Finding(
            level, "model", f"{name!r} cannot be had: {error}",
            "put the model back where it was, or open the index with trivet.open(…, model=)"
            if is_needed
            else "put the model back where it was: until the upgrade is over, to add documents or "
            "to take its next step may need it",
        )  # fmt: skip
        return
    yield from _canaries(store, embedder, generation, level)


def _canaries(
    store: Store, embedder: Embedder, generation: Generation, level: Level
) -> Iterator[Finding]:
    name = generation.name
    kept = store.journal.kept(generation.canaries)
    if kept is None:
        if store.journal.count() and not store.is_adopted:
            yield Finding(
                "note", "canaries", f"none are kept of {name!r}: its vectors were all given",
                "nothing; the next document or query that the model embeds leaves some",
            )  # fmt: skip
        return
    try:
        cosines = canary_cosines(json.loads(kept), make_canaries(embedder))
    except (EmbeddingError, ModelError) as error:
        yield Finding(level, "canaries", f"{name!r} fails: {error}", "check the checkpoint")
        return
    for mode, cosine in cosines.items():
        if cosine < LEAST_COSINE:
            yield Finding(
                level, "canaries",
                f"{name!r} makes other {mode} vectors than it did: a test text has cosine "
                f"{cosine:.3f} with its stored vector, expected {LEAST_COSINE} or more",
                "open the index with the weights or the service as they were, or upgrade to those "
                "that are there under a name of their own",
            )  # fmt: skip


def _counts(store: Store) -> Iterator[Finding]:
    chunks, points = store.journal.totals().chunks, store.engine.count()
    if chunks != points:
        yield Finding(
            "broken", "documents",
            f"expected {chunks} points, as the journal says, got {points} in the engine", VERIFY,
        )  # fmt: skip


def _vectors(store: Store, legs: Iterable[LegHealth]) -> Iterator[Finding]:
    manifest = store.manifest
    there = store.engine.vector_names()
    for space in manifest.spaces.values():
        if space.vector_name not in there:
            yield Finding(
                "broken", "vectors",
                f"expected the {space.mode} vector {space.vector_name} in the engine, got none",
                "restore the index from a backup or a snapshot",
            )  # fmt: skip
    claimed = {*manifest.vector_spaces, *filter(None, [manifest.scratch])}
    record = manifest.upgrade
    if record is not None:
        claimed |= {space.vector_name for space in record.passing}
    for name in sorted(there - claimed):
        yield Finding(
            "look", "vectors", f"the engine holds vectors {name} that no model of the index makes",
            "in a folder, `trivet repair` drops them; on a server, drop the vector name of the "
            "collection, if nobody else uses it",
        )  # fmt: skip
    complete = there & set(manifest.complete_names)
    points = store.engine.count()
    for leg in legs:
        if leg.vector_name in complete and leg.points < points:
            yield Finding(
                "broken", "vectors",
                f"{points - leg.points} of {points} points have no {leg.vector_name}: no search "
                f"by {leg.mode} vectors finds them", VERIFY,
            )  # fmt: skip
        if record is None and leg.translated:
            yield Finding(
                "note", "vectors",
                f"{leg.translated} documents have {leg.mode} vectors that an upgrade carried over "
                "from another model's", "run `trivet upgrade migrate`, which embeds those that "
                "have a text (Index.make_native)",
            )  # fmt: skip


def _upgrade(store: Store, model: IndexModel, record: UpgradeRecord) -> Iterator[Finding]:
    for which, name in record.maps.items():
        try:
            if which == "sample":
                if store.journal.kept(name) is None:
                    raise StoreError("it is not there")
            else:
                model.map_of(record, which)
        except (DriftError, SpaceMismatchError, StoreError) as error:  # noqa: PERF203
            yield Finding(
                "broken", "maps", f"the {which} of the upgrade cannot be read: {error}",
                "roll the upgrade back (`trivet upgrade rollback`), then begin it again",
            )  # fmt: skip
    lease = record.facts.get("lease", {})
    if lease and lease["until"] < time.time():
        yield Finding(
            "look", "lease", "a machine that was migrating has not been heard of since its lease "
            f"ended, {time.time() - lease['until']:.0f} s ago",
            "run `trivet upgrade migrate`: it goes on where the other stopped",
        )  # fmt: skip
    yield _progress(record)


def _progress(record: UpgradeRecord) -> Finding:
    newer = record.other.name
    if record.state == "translating":
        problem = f"the vectors of {newer!r} are not complete yet; the index is served without them"
        action = "run `trivet upgrade cutover translate` or `migrate` again, or `rollback`"
        return Finding("look", "upgrade", problem, action)
    if record.state == "ending" and record.facts["ends"] < time.time():
        action = "the next opening of the index drops them"
        return Finding("note", "upgrade", f"the grace of {newer!r} is over", action)
    if record.state == "leaving":
        action = "open the index again"
        return Finding("look", "upgrade", f"the vectors of {newer!r} are half dropped", action)
    return Finding(
        "note", "upgrade", f"an upgrade is under way, which is {record.state}",
        "take its next step, finish it, or roll it back (`trivet upgrade`)",
    )  # fmt: skip
