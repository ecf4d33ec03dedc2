"""What a call of `add` or `upsert` has done so far, counted by the threads that do it."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import replace

from trivet.reports import FailedDocument, IngestReport


class Tally:
    """Counts documents; thread-safe.

    Args:
        raise_errors: whether the first document that fails stops the call.
        expected: documents of the call; None = not known.
    """

    def __init__(self, *, raise_errors: bool, expected: int | None) -> None:
        self._raise_errors = raise_errors
        self._report = IngestReport(expected=expected)
        self._failed: list[FailedDocument] = []
        self._changing = threading.Lock()
        self._started = time.monotonic()

    def skip(self) -> None:
        """Count a document that is stored already."""
        with self._changing:
            self._report = replace(self._report, skipped=self._report.skipped + 1)

    def fail(self, id: str | None, position: int, error: Exception) -> None:
        """Count a document that is not stored."""
        with self._changing:
            self._failed.append(FailedDocument(id, position, error))

    def store(self, added: int, replaced: int, chunks: int) -> None:
        """Count documents that were committed."""
        with self._changing:
            report = self._report
            self._report = replace(
                report,
                added=report.added + added,
                replaced=report.replaced + replaced,
                chunks=report.chunks + chunks,
            )

    @property
    def chunks(self) -> int:
        """Chunks written so far."""
        return self._report.chunks

    @property
    def end(self) -> float:
        """No document from this position on is to be stored."""
        with self._changing:
            if self._raise_errors and self._failed:
                return min(failed.position for failed in self._failed)
        return math.inf

    @property
    def is_over(self) -> bool:
        """Whether a document has failed that stops the call."""
        return self.end < math.inf

    @property
    def first_error(self) -> Exception | None:
        """Why the first document of those that failed did."""
        with self._changing:
            first = min(self._failed, key=lambda failed: failed.position, default=None)
        return None if first is None else first.error

    def report(self) -> IngestReport:
        """What was done so far; failed documents in the order of the call."""
        with self._changing:
            return replace(
                self._report,
                failed=tuple(sorted(self._failed, key=lambda failed: failed.position)),
                elapsed_s=time.monotonic() - self._started,
            )
