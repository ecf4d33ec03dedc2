"""The rooms that know all the others: open, ingest, search."""

from trivet.index.adopt import adopt
from trivet.index.index import Index
from trivet.index.maintenance import repair, restore
from trivet.index.open import exists, open
from trivet.index.snapshots import Snapshots

<<<<<<< HEAD
__all__ = ["Index", "adopt", "exists", "open", "repair", "restore"]
=======
__all__ = ["Index", "Snapshots", "exists", "open", "repair", "restore"]
>>>>>>> hB
