"""What the journal knows a document by: its id, after the tenant's name where there are tenants."""

from __future__ import annotations

# A tenant's name holds no such character, so no two documents share a key.
SEPARATOR = "\x1f"


def document_key(tenant: str | None, document: str) -> str:
    """The key of a document; in an index without tenants, its id."""
    return document if tenant is None else f"{tenant}{SEPARATOR}{document}"


def shown(key: str) -> str:
    """A document as messages name it: its id, and its tenant's name if it has one."""
    tenant, separator, document = key.partition(SEPARATOR)
    return f"{document!r} of tenant {tenant!r}" if separator else repr(key)


def tenant_of(key: str) -> str | None:
    """The tenant in a key of an index with tenants."""
    tenant, separator, _ = key.partition(SEPARATOR)
    return tenant if separator else None
