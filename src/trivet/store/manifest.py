"""The manifest: what an index is made of, kept in `store.json` or a collection's metadata."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from trivet.config import Lexical
from trivet.errors import IndexDamagedError, NotAnIndexError, StoreError
from trivet.store.filters import payload_path
from trivet.store.generations import FIRST_CANARIES, NATIVE_STATES, Generation, UpgradeRecord
from trivet.store.payload_indexes import IndexKind, checked_indexes
from trivet.store.points import TENANT_PATH
from trivet.store.storage import Storage, checked_storage
from trivet.types import Mode, Space

MANIFEST_FILE = "store.json"
FORMAT = 3


@dataclass(frozen=True)
class LexicalState:
    """How the BM25 leg was weighted.

    Attributes:
        average_tokens: mean length of a chunk in the analyser's terms.
        documents: documents that were there when it was last checked; 0 = none seen yet.
        language: of the analyser; where `lexical` says "auto", what was decided.
        lexical: what the index was made with.
    """

    average_tokens: float
    documents: int
    language: str
    lexical: Lexical

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> LexicalState:
        """Read what `dataclasses.asdict` made of a state."""
        return cls(**{**stored, "lexical": Lexical(**stored["lexical"])})


@dataclass(frozen=True)
class Manifest:
    """What an index is made of.

    Attributes:
        namespace: of the points' ids, made once.
        model: the source that the embedder is loaded from again.
        recipe: the options that it is loaded with (JSON).
        spaces: the space of each leg; a leg that is not there is absent.
        chunk_tokens: the most tokens of a chunk.
        lexical: state of the BM25 leg, None without one.
        shard: the engine's folder, relative to the index's; "" on a server.
        created: ISO 8601, UTC.
        scratch: a vector name that is being filled or dropped; after a crash it is dropped.
        indexes: the payload indexes that were declared, by metadata field.
        optimized: chunks that were there when the shard was last optimized; 0 = it never was.
        tenants: whether every document belongs to a tenant.
        storage: how dense vectors are kept.
        canaries: the name under which the journal keeps the canaries of its model.
        upgrade: to another model, if one is under way.
    """

    namespace: uuid.UUID
    model: str
    recipe: Mapping[str, Any]
    spaces: Mapping[Mode, Space]
    chunk_tokens: int
    lexical: LexicalState | None
    shard: str
    created: str
    scratch: str | None = None
    indexes: Mapping[str, IndexKind] = field(default_factory=dict)
    optimized: int = 0
    tenants: bool = False
    storage: Storage = "full"
    canaries: str = FIRST_CANARIES
    upgrade: UpgradeRecord | None = None

    @property
    def model_modes(self) -> tuple[Mode, ...]:
        """The legs that the model makes; BM25 is none of them."""
        return tuple(mode for mode, space in self.spaces.items() if not space.is_lexical)

    @property
    def vector_spaces(self) -> dict[str, Space]:
        """The spaces that every point has a vector of, by vector name."""
        own = {space.vector_name: space for space in self.spaces.values()}
        return own if self.upgrade is None else {**own, **self.upgrade.beside_spaces}

    @property
    def complete_names(self) -> list[str]:
        """The vector names that no point may lack: not those that are still being filled."""
        is_filling = self.upgrade is not None and self.upgrade.state == "translating"
        spaces = self.spaces.values() if is_filling else self.vector_spaces.values()
        filling = {self.spaces[mode].vector_name for mode in self.filling_modes}
        return [space.vector_name for space in spaces if space.vector_name not in filling]

    @property
    def filling_modes(self) -> tuple[Mode, ...]:
        """Legs of the newer model that a migration fills, and that serve when it is done.

        They are not translated: only dense vectors are. Those that both models make are there.
        """
        record = self.upgrade
        if record is None or record.state not in NATIVE_STATES or record.facts.get("whole"):
            return ()
        others = record.other.spaces
        return tuple(
            mode
            for mode in self.model_modes
            if mode != "dense" and others.get(mode) != self.spaces[mode]
        )

    def complete(self, modes: Sequence[Mode]) -> list[Mode]:
        """Those of the legs that are not being filled."""
        return [mode for mode in modes if mode not in self.filling_modes]

    @property
    def generation(self) -> Generation:
        """The model that the index is of."""
        spaces = {mode: self.spaces[mode] for mode in self.model_modes}
        return Generation(self.model, self.recipe, spaces, self.canaries)

    def of_generation(self, generation: Generation, upgrade: UpgradeRecord | None) -> Manifest:
        """The same index of another model: with the legs that this makes, and BM25."""
        lexical = {mode: space for mode, space in self.spaces.items() if space.is_lexical}
        every = {**lexical, **generation.spaces}
        ordered = [*(mode for mode in self.spaces if mode in every), *every]
        return replace(
            self,
            model=generation.model,
            recipe=generation.recipe,
            spaces={mode: every[mode] for mode in ordered},
            canaries=generation.canaries,
            upgrade=upgrade,
        )

    @property
    def payload_indexes(self) -> dict[str, IndexKind]:
        """The payload indexes that there should be, by payload path."""
        declared = {payload_path(name): kind for name, kind in self.indexes.items()}
        return {**declared, TENANT_PATH: "tenant"} if self.tenants else declared

    def to_json(self) -> dict[str, Any]:
        """The manifest as a JSON object, with its own checksum."""
        fields = {
            "format": FORMAT,
            "namespace": str(self.namespace),
            "model": self.model,
            "recipe": dict(self.recipe),
            "spaces": {mode: space.to_json() for mode, space in self.spaces.items()},
            "chunk_tokens": self.chunk_tokens,
            "lexical": None if self.lexical is None else asdict(self.lexical),
            "shard": self.shard,
            "created": self.created,
            "scratch": self.scratch,
            "indexes": dict(self.indexes),
            "optimized": self.optimized,
            "tenants": self.tenants,
            "storage": self.storage,
            "canaries": self.canaries,
            "upgrade": None if self.upgrade is None else self.upgrade.to_json(),
        }
        return {**fields, "checksum": _checksum(fields)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Manifest:
        """Read a manifest; raises ValueError, KeyError or TypeError on anything unexpected."""
        if stored["format"] != FORMAT:
            raise ValueError(f"expected format {FORMAT}, got {stored['format']!r}")
        shard = stored["shard"]
        if not isinstance(shard, str) or Path(shard).is_absolute() or ".." in Path(shard).parts:
            raise ValueError(f"expected a shard inside the index folder, got {shard!r}")
        lexical, upgrade = stored["lexical"], stored.get("upgrade")
        manifest = cls(
            namespace=uuid.UUID(stored["namespace"]),
            model=stored["model"],
            recipe=dict(stored["recipe"]),
            spaces={mode: Space.from_json(space) for mode, space in stored["spaces"].items()},
            chunk_tokens=stored["chunk_tokens"],
            lexical=None if lexical is None else LexicalState.from_json(lexical),
            shard=shard,
            created=stored["created"],
            scratch=stored["scratch"],
            indexes=checked_indexes(stored.get("indexes", {})),
            optimized=stored["optimized"],
            tenants=stored.get("tenants", False),
            storage=checked_storage(stored.get("storage")) or "full",
            canaries=stored.get("canaries", FIRST_CANARIES),
            upgrade=None if upgrade is None else UpgradeRecord.from_json(upgrade),
        )
        if stored["checksum"] != _checksum(stored):
            raise ValueError("its checksum is not that of its content: it was edited")
        return manifest


def holds_index(folder: Path) -> bool:
    """Whether a folder holds an index (of any format)."""
    return (folder / MANIFEST_FILE).is_file()


def read_manifest(folder: Path) -> Manifest:
    """Read a folder's manifest.

    Raises:
        NotAnIndexError: `store.json` is some other program's file, or of another format.
        IndexDamagedError: it is ours and unreadable.
    """
    path = folder / MANIFEST_FILE
    try:
        stored = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise IndexDamagedError(
            f"expected a JSON object in {path}, got {error}: restore it from a backup"
        ) from error
    if not isinstance(stored, dict) or "namespace" not in stored:
        raise NotAnIndexError(f"expected a Trivet manifest in {path}, got another program's file")
    try:
        return Manifest.from_json(stored)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IndexDamagedError(
            f"cannot use the manifest {path}: {error!r}; restore it from a backup, or open the "
            "index with the version of Trivet that wrote it"
        ) from error


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace a folder's manifest, whole or not at all, durably.

    Raises:
        StoreError: it cannot be written; the old one is still there.
    """
    path = folder / MANIFEST_FILE
    scratch = folder / f"{MANIFEST_FILE}.new"
    try:
        with scratch.open("w", encoding="utf-8") as file:
            json.dump(manifest.to_json(), file, indent=1, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error}") from error
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """Make a rename inside a folder durable, where the system knows how to."""
    with contextlib.suppress(OSError):  # Windows opens no folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _checksum(fields: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of a manifest's fields but the checksum itself."""
    content = {name: value for name, value in fields.items() if name != "checksum"}
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
