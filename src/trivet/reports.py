"""What an index tells about itself and about the writing of documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from trivet.types import Mode, Space

Level: TypeAlias = Literal["note", "look", "broken"]
LEVELS: tuple[Level, ...] = get_args(Level)

# BM25 weighs anew beyond a tenth, whenever the index has grown by a quarter: what is farther off
# than this is a fault.
AVERAGE_TOLERANCE = 0.2


@dataclass(frozen=True)
class FailedDocument:
    """A document that was not stored: its id (None if it has none), position in the call, error."""

    id: str | None
    position: int
    error: Exception


@dataclass(frozen=True)
class IngestReport:
    """What a call of `add` or `upsert` did.

    Attributes:
        added: documents that are new in the index.
        replaced: documents whose content was replaced.
        skipped: documents that were there already with the same content and metadata.
        failed: every document that was not stored, with its reason.
        chunks: chunks written.
        elapsed_s: wall time in seconds.
        expected: documents of the call; None where they come one by one and nobody knows.
    """

    added: int = 0
    replaced: int = 0
    skipped: int = 0
    failed: tuple[FailedDocument, ...] = ()
    chunks: int = 0
    elapsed_s: float = 0.0
    expected: int | None = None

    @property
    def total(self) -> int:
        """Documents seen so far."""
        return self.added + self.replaced + self.skipped + len(self.failed)

    @property
    def documents_per_s(self) -> float:
        """Documents seen in a second, on average since the call began."""
        return self.total / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def remaining_s(self) -> float | None:
        """Seconds that the rest takes at that rate; None where that cannot be told."""
        if self.expected is None or not self.documents_per_s:
            return None
        return max(0, self.expected - self.total) / self.documents_per_s


@dataclass(frozen=True)
class IndexInfo:
    """What an index is.

    Attributes:
        location: where it is.
        engine: engine and version.
        documents: documents stored.
        chunks: chunks stored.
        spaces: the space of each leg.
        model: the source that the embedder is loaded from.
        size_bytes: bytes on disk; 0 in memory, and on a server, which does not say.
        created: ISO 8601, UTC.
        optimized: chunks that were there when it was last optimized; 0 = it never was.
        optimize_pays: whether `optimize` would make searches much faster.
        tenants: whether it has tenants.
        tenant: whose documents and chunks these are; None = everybody's.
        dense_floor: the cosine below which a dense score says nothing, as it was found for the
            embedder; None before the first search that needs it.
        translated: documents whose dense vectors were carried over from another model's and stay
            so until `make_native`; during an upgrade, `Upgrade.status` counts its own.
    """

    location: str
    engine: str
    documents: int
    chunks: int
    spaces: tuple[Space, ...]
    model: str
    size_bytes: int
    created: str
    optimized: int
    optimize_pays: bool
    tenants: bool
    tenant: str | None
    dense_floor: float | None
    translated: int = 0


@dataclass(frozen=True)
class OptimizeReport:
    """What a call of `optimize` did.

    Attributes:
        optimized: whether anything was done; a small index is fast as it is.
        chunks: chunks that are searched by graph and not by scan from now on.
        elapsed_s: wall time in seconds.
        reweighed: whether BM25's average length was off, and all chunks were weighted anew.
    """

    optimized: bool
    chunks: int
    elapsed_s: float
    reweighed: bool = False


@dataclass(frozen=True)
class VerifyReport:
    """What was found when an index was compared with its journal.

    Attributes:
        documents: documents that the journal calls stored.
        chunks: chunks that these have.
        points: points that the engine holds.
        broken: ids of documents with a chunk that is missing or not as it was written; in an index
            with tenants, after the tenant's name and a unit separator (U+001F).
        orphans: ids of points that belong to no stored document.
        average_error: how far BM25's average length is from the true one, as a share of it.
        unproved: legs without canaries, by which a model would be known again: the vectors in
            them were given, or there are none yet.
        elapsed_s: wall time in seconds.
    """

    documents: int
    chunks: int
    points: int
    broken: tuple[str, ...]
    orphans: tuple[str, ...]
    average_error: float
    unproved: tuple[Mode, ...]
    elapsed_s: float

    @property
    def is_clean(self) -> bool:
        """Whether journal and engine agree: nothing is lost, and nothing needs `trivet repair`.

        BM25's average length is another matter: after many deletions it is off, which costs a
        little quality, until the next addition or `optimize` puts it right.
        """
        return not (self.broken or self.orphans)

    @property
    def average_is_off(self) -> bool:
        """Whether BM25's average length is so far from the true one that it costs quality."""
        return self.average_error > AVERAGE_TOLERANCE


@dataclass(frozen=True)
class Finding:
    """One thing that an examination found.

    Attributes:
        level: "note", "look" (somebody should) or "broken".
        subject: what it is about: model, canaries, vectors, documents, maps, lease or upgrade.
        problem: what was expected and what is.
        action: what to do.
    """

    level: Level
    subject: str
    problem: str
    action: str


@dataclass(frozen=True)
class LegHealth:
    """One named vector of an index.

    Attributes:
        vector_name: in the engine.
        mode: of the leg.
        model: label of what makes it.
        fingerprint: of its space: all that would change its vectors.
        serves: whether it is searched; during an upgrade, others are kept beside, or filled.
        points: that have a vector of it.
        native: documents whose vectors the model itself has made.
        translated: documents whose vectors were carried over from another model's.
    """

    vector_name: str
    mode: Mode
    model: str
    fingerprint: str
    serves: bool
    points: int
    native: int
    translated: int


@dataclass(frozen=True)
class HealthReport:
    """What an examination of an index found.

    Attributes:
        state: of the upgrade under way; "stable" if there is none.
        legs: its named vectors.
        findings: what is worth telling, the worst first.
    """

    state: str
    legs: tuple[LegHealth, ...]
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """That of the worst finding."""
        return max((each.level for each in self.findings), key=LEVELS.index, default="note")


@dataclass(frozen=True)
class RepairReport:
    """What a call of `repair` did.

    Attributes:
        lost: ids of documents that were not stored whole: they are deleted; add them again. In an
            index with tenants, as in `VerifyReport.broken`.
        orphans: points deleted that belonged to no document.
        journal_rebuilt: whether the journal was unreadable and was written anew.
        documents: documents stored now.
    """

    lost: tuple[str, ...]
    orphans: int
    journal_rebuilt: bool
    documents: int


@dataclass(frozen=True)
class RecallReport:
    """How much of an exact search an index's own dense search finds.

    Attributes:
        storage: how the dense vectors that serve are kept; those of an upgrade are full
            until they are optimized.
        recall: the mean share of a stored vector's k nearest others that the search finds.
        k: neighbours looked for.
        sampled: stored vectors that were searched for.
        vector_bytes: of one dense vector that a search reads before it rescores.
        full_bytes: of one as it is.
        small_chunks: chunks whose small vectors are made; those of the others are compared as they
            are. In a folder, where `optimize` makes them, as many as it found: what was deleted or
            replaced since is not taken off. A server is taken to have made all of them.
        chunks: chunks stored.
    """

    storage: str
    recall: float
    k: int
    sampled: int
    vector_bytes: int
    full_bytes: int
    small_chunks: int
    chunks: int


@dataclass(frozen=True)
class Snapshot:
    """An index on a server as it was at one moment, kept by the server.

    Attributes:
        id: made once; what `Snapshots.restore` takes.
        created: ISO 8601, UTC.
        documents: documents in it.
        chunks: chunks in it.
        size_bytes: of both files.
        points: the server's name for the file of the chunks.
        journal: and for that of the journal.
    """

    id: str
    created: str
    documents: int
    chunks: int
    size_bytes: int
    points: str
    journal: str
