"""The journal in a file: its totals are counted once and stay true."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trivet.errors import StoreError
from trivet.store.journal import JournalEntry, JournalTotals, PendingEntry
from trivet.store.sqlite_journal import SqliteJournal

IDS = ["a", "b", "acme\x1fa", "acme\x1fb"]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(tmp_path / "journal", new=True)
    yield journal
    journal.close()


def counted(journal: SqliteJournal) -> JournalTotals:
    """The totals as SQLite counts them."""
    assert journal._connection is not None
    sums = "count(*), coalesce(sum(chunks), 0), coalesce(sum(terms), 0)"
    return JournalTotals(*journal._connection.execute(f"SELECT {sums} FROM documents").fetchone())


def change(journal: SqliteJournal, id: str, chunks: int, *, delete: bool) -> None:
    """Write or delete a document, as a store does."""
    stored = journal.entries([id]).get(id)
    if delete and stored is None:
        return
    entry = stored if delete and stored else JournalEntry(id, "0", chunks, 1, 7 * chunks)
    operation = "delete" if delete else "insert" if stored is None else "replace"
    pending = [PendingEntry(entry, operation, 0, None)]
    journal.begin(pending)
    journal.commit(pending)


steps = st.tuples(st.sampled_from(IDS), st.integers(1, 5), st.booleans())


@settings(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, max_size=12))
def test_totals_stay_true(todo: list[tuple[str, int, bool]]) -> None:
    journal = SqliteJournal(None, new=True)
    for id, chunks, delete in todo:
        change(journal, id, chunks, delete=delete)
        assert journal.totals() == counted(journal)
        assert journal.count() == journal.totals().documents
    journal.recount(dict.fromkeys(IDS, 3))
    assert journal.totals() == counted(journal)
    journal.close()


def test_the_table_is_not_read_for_every_count(journal: SqliteJournal) -> None:
    for number in range(20):
        change(journal, str(number), 1, delete=False)
    assert journal.count() == 20
    asked: list[str] = []
    assert journal._connection is not None
    journal._connection.set_trace_callback(asked.append)
    change(journal, "another", 2, delete=False)
    assert journal.totals() == JournalTotals(21, 22, 154)
    assert [sql for sql in asked if "count(" in sql] == []


def test_after_a_failure_they_are_counted_anew(journal: SqliteJournal) -> None:
    change(journal, "a", 2, delete=False)
    assert journal.count() == 1
    pending = [PendingEntry(JournalEntry("b", "0", 1, 1, 1), "insert", 0, None)]
    journal.begin(pending)
    assert journal._connection is not None
    journal._connection.set_authorizer(
        lambda action, *_: (
            sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_DELETE else sqlite3.SQLITE_OK
        )
    )
    with pytest.raises(StoreError):
        journal.commit(pending)
    journal._connection.set_authorizer(None)
    assert journal.totals() == counted(journal) == JournalTotals(1, 2, 14)
    journal.commit(pending)
    assert journal.totals() == counted(journal) == JournalTotals(2, 3, 15)
