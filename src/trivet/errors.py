"""The errors that Trivet raises on purpose, as one tree.

    TrivetError
    ├── InvalidInputError (ValueError)          a call that cannot mean anything
    │   ├── InvalidDocumentError                one document of it
    │   ├── InvalidQueryError                   one query of it
    │   ├── InvalidFilterError                  its filter
    │   ├── InvalidPlanError                    its plan
    │   ├── TenantError                         no tenant named, or one that cannot be
    │   ├── InsecureConnectionError             a secret would travel in the clear
    │   ├── JudgementsError                     queries and judgements that nothing can be judged by
    │   ├── UnknownModeError                    a mode that does not exist, or that the index lacks
    │   ├── UnknownTaskError                    a task that the model has no wording for
    │   ├── InstructionError                    an instruction that the model has no place for
    │   ├── TrainingPairsError                  pairs that no model can be trained on
    │   └── TextTooLongError                    more tokens than the model reads
    ├── UnknownKeywordError (TypeError)         a keyword that the call does not take
    ├── DocumentExistsError (ValueError)        `add` of an id that holds other content
    ├── SpaceMismatchError (ValueError)         vectors of two spaces would meet
    ├── SettingsMismatchError (ValueError)      settings other than the index was made with
    ├── DriftError (ValueError)                 a drift map that cannot be had
    │   ├── PairsError                          pairs that no map can be fitted to
    │   ├── UnmappableSpaceError                spaces that no map leads between
    │   └── DriftMapFileError                   files that hold no usable map
    ├── UpgradeError (RuntimeError)             an upgrade to another model that cannot go on
    │   ├── UpgradeInProgressError              another upgrade of the index is under way
    │   ├── UpgradeStateError                   a step before its turn
    │   └── UpgradeRefusedError                 the verdict forbids it
    ├── ModelError (RuntimeError)
    │   ├── ModelNotFoundError (LookupError)    no such folder, package or model on the hub
    │   ├── CheckpointError                     a checkpoint that cannot be read as it is
    │   ├── MissingHeadError                    a mode that the checkpoint holds no head for
    │   ├── UntrainableModelError               a model that no checkpoint can be trained of
    │   ├── TrainingError                       a training that cannot go on
    │   └── EmbeddingError                      the model failed on a batch
    ├── VocabularyError (RuntimeError)          a tokenizer's vocabulary cannot be had
    ├── MissingExtraError (ImportError)         an optional package is not installed
    ├── ForkedProcessError (RuntimeError)       an index or a loaded model, used after a fork
    ├── SearchTimeoutError (TimeoutError)       no answer within the time that was given
    └── StoreError (RuntimeError)
        ├── NotAnIndexError (ValueError)        a location that holds something else
        ├── IndexLockedError                    another process holds the folder
        ├── IndexBusyError                      more searches wait than may
        ├── IndexClosedError                    used after close()
        ├── IndexDamagedError                   files that contradict each other
        ├── DocumentBusyError                   another writer holds a document
        ├── ReadOnlyError                       a write to a collection that was adopted
        ├── ServerTooOldError                   a server that lacks what is needed
        ├── ServerUnavailableError              a server that does not answer for a while
        ├── ServerAccessError                   a server that asks for a key, or for another
        └── ServerRefusedError                  a server that will not do what it is asked
            └── PlanRefusedError                a search plan that it does not run

Every message says what was expected, what came and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class TrivetError(Exception):
    """Base of every error that Trivet raises on purpose."""


class InvalidInputError(TrivetError, ValueError):
    """A call whose arguments cannot mean anything; nothing was written."""


class InvalidDocumentError(InvalidInputError):
    """A document that cannot be stored as it is."""


class InvalidQueryError(InvalidInputError):
    """A query that cannot be searched as it is."""


class InvalidFilterError(InvalidInputError):
    """A filter that cannot be understood."""


class InvalidPlanError(InvalidInputError):
    """A search plan that cannot mean anything, or that the index cannot answer."""


class TenantError(InvalidInputError):
    """A call that does not say whose documents it is about, or names no possible tenant."""


class InsecureConnectionError(InvalidInputError):
    """A secret would travel unencrypted to another host."""


class JudgementsError(InvalidInputError):
    """Queries or judgements that cannot be read, or by which nothing can be judged."""


class UnknownModeError(InvalidInputError):
    """A mode that does not exist, or that this model or index does not hold."""


class UnknownTaskError(InvalidInputError):
    """A task that the model has no wording for."""


class InstructionError(InvalidInputError):
    """An instruction, examples or a title that the model has no place or no room for."""


class TrainingPairsError(InvalidInputError):
    """Pairs of a query and a document that no model can be trained on."""


class TextTooLongError(InvalidInputError):
    """A text of more tokens than the model reads, where cutting was not asked for."""


class UnknownKeywordError(TrivetError, TypeError):
    """A keyword argument that the called function does not take."""


class DocumentExistsError(TrivetError, ValueError):
    """`add` met an id that is already stored with other content."""


class SpaceMismatchError(TrivetError, ValueError):
    """Vectors of two spaces would have met without a map between them."""


class SettingsMismatchError(TrivetError, ValueError):
    """Settings that differ from those the index was made with."""


class DriftError(TrivetError, ValueError):
    """A drift map that cannot be fitted, joined, read or used."""


class PairsError(DriftError):
    """Pairs of vectors that no drift map can be fitted to."""


class UnmappableSpaceError(DriftError):
    """Two spaces that no drift map leads between."""


class DriftMapFileError(DriftError):
    """Files that are missing, damaged or hold no drift map."""


class UpgradeError(TrivetError, RuntimeError):
    """An upgrade of an index to another model that cannot go on."""


class UpgradeInProgressError(UpgradeError):
    """Another upgrade of the index is under way."""


class UpgradeStateError(UpgradeError):
    """A step of an upgrade before its turn."""


class UpgradeRefusedError(UpgradeError):
    """The verdict on the new model forbids the step."""


class ModelError(TrivetError, RuntimeError):
    """A model that cannot be found, read or run."""


class ModelNotFoundError(ModelError, LookupError):
    """No folder, package or hub repository of that name can be reached."""


class CheckpointError(ModelError):
    """A checkpoint whose files are missing, damaged or of an unknown kind."""


class MissingHeadError(ModelError):
    """A mode was asked for that the checkpoint holds no head for."""


class UntrainableModelError(ModelError):
    """A model of which no checkpoint can be trained that has all that it has."""


class TrainingError(ModelError):
    """A training that cannot go on; nothing of it was written."""


class EmbeddingError(ModelError):
    """The model failed while it embedded a batch."""


class VocabularyError(TrivetError, RuntimeError):
    """The vocabulary by which tokens are counted cannot be had."""


class MissingExtraError(TrivetError, ImportError):
    """An optional package is needed that is not installed."""


class ForkedProcessError(TrivetError, RuntimeError):
    """A process was forked from one that holds an index or a loaded model, and uses it."""


class SearchTimeoutError(TrivetError, TimeoutError):
    """A search was not answered within the time that it was given."""


class StoreError(TrivetError, RuntimeError):
    """The storage under an index failed or cannot be used."""


class NotAnIndexError(StoreError, ValueError):
    """The location holds something that is not a Trivet index."""


class IndexLockedError(StoreError):
    """Another process, or another `Index` of this one, holds the folder."""


class IndexBusyError(StoreError):
    """More searches wait than may; the index is well."""


class IndexClosedError(StoreError):
    """The index was used after `close()`."""


class IndexDamagedError(StoreError):
    """The files of an index are unreadable or contradict each other."""


class DocumentBusyError(StoreError):
    """Another writer holds documents, or has changed them meanwhile.

    Args:
        message: what is held, by whom, and what to do.
        documents: their ids; in an index with tenants, after the tenant's name and a unit
            separator (U+001F).
    """

    def __init__(self, message: str, documents: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.documents = frozenset(documents)


class ReadOnlyError(StoreError):
    """A collection that something else has made is read, and never written to."""


class ServerTooOldError(StoreError):
    """The server's version lacks something that is needed; the message names the floor."""


class ServerUnavailableError(StoreError):
    """A server cannot be reached, or fails, for longer than is worth waiting."""


class ServerAccessError(StoreError):
    """A server wants a key, or one that may do more."""


class ServerRefusedError(StoreError):
    """A server understands a request and will not do it, however often it is asked."""


class PlanRefusedError(ServerRefusedError):
    """A server does not run a search plan; the message names one that it does run."""
