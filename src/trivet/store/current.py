"""The manifest as it is now, where other machines may change it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from trivet.store.manifest import Manifest


class CurrentManifest:
    """Keeps the manifest in memory and where it is stored in agreement. Thread-safe.

    Args:
        manifest: as it was read or made.
        save: makes it durable, whole or not at all.
        load: reads it again; None where nobody else can change it.
    """

    def __init__(
        self,
        manifest: Manifest,
        save: Callable[[Manifest], None],
        load: Callable[[], Manifest] | None,
    ) -> None:
        self._manifest = manifest
        self._save = save
        self._load = load
        # A manifest that was read just before another was saved must not take its place.
        self._changing = threading.Lock()
        self._known_since = time.monotonic()

    @property
    def manifest(self) -> Manifest:
        """As far as this process knows."""
        return self._manifest

    def refresh(self, after_s: float = 0.0) -> bool:
        """Read it again, if what is known is so old; whether it was changed."""
        if self._load is None or not self._is_older(after_s):
            return False
        with self._changing:
            if not self._is_older(after_s):
                return False
            manifest = self._load()
            is_changed = manifest != self._manifest
            self._know(manifest)
        return is_changed

    def become(self, manifest: Manifest) -> None:
        """Change it."""
        with self._changing:
            self._save(manifest)
            self._know(manifest)

    def _is_older(self, after_s: float) -> bool:
        return time.monotonic() - self._known_since >= after_s

    def _know(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._known_since = time.monotonic()
