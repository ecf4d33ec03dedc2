"""The rooms that know all the others: open, ingest, search."""

from trivet.index.adopt import adopt
from trivet.index.index import Index
from trivet.index.maintenance import repair, restore
from trivet.index.open import exists, open
from trivet.index.snapshots import Snapshots

__all__ = ["Index", "Snapshots", "adopt", "exists", "open", "repair", "restore"]
