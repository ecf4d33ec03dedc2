"""Which documents have to be written, by what the journal says now."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from trivet.errors import DocumentExistsError
from trivet.index.documents import CheckedDocument
from trivet.index.tally import Tally
from trivet.store.journal import Journal, JournalEntry


@dataclass(frozen=True)
class Planner:
    """Asked when a document comes in, and again before it is written.

    Attributes:
        journal: of the index.
        tally: told of the documents that are not to be written.
        replace_existing: `upsert`; else `add`.
        always: write a stored document again even if its text is the same: its vectors may differ.
    """

    journal: Journal
    tally: Tally
    replace_existing: bool
    always: bool

    def wanted(
        self, documents: Sequence[CheckedDocument], underway: Container[str] = ()
    ) -> list[tuple[CheckedDocument, JournalEntry | None]]:
        """The documents to write, each with what is stored under its id.

        Args:
            documents: in the order of the call.
            underway: keys of documents that are planned and not written yet. What comes after one
                of the same key is wanted: only when that is written can be said whether it differs.
        """
        entries = self.journal.entries([document.key for document in documents])
        wanted = []
        before: set[str] = set()
        for document in documents:
            entry = entries.get(document.key)
            if document.key in underway or document.key in before:
                wanted.append((document, entry))
            elif entry is None or (self.replace_existing and self._differs(document, entry)):
                wanted.append((document, entry))
                before.add(document.key)
            elif entry.digest == document.digest:
                self.tally.skip()
            else:
                self.tally.fail(document.id, document.position, _exists(document))
        return wanted

    def _differs(self, document: CheckedDocument, entry: JournalEntry) -> bool:
        return self.always or entry.digest != document.digest


def _exists(document: CheckedDocument) -> DocumentExistsError:
    return DocumentExistsError(
        f"document {document.id!r} is stored with other content or metadata: use upsert to "
        "replace it, or give this one another id"
    )
