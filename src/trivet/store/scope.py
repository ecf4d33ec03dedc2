"""Whose documents a call is about: one tenant's, all tenants', or those of an index without."""

from __future__ import annotations

import enum
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from trivet.errors import TenantError
from trivet.query import text_problem
from trivet.store.keys import document_key
from trivet.store.points import TENANT_PATH

if TYPE_CHECKING:
    from qdrant_client import models

MAX_NAME = 256


class Everything(enum.Enum):
    """The type of `trivet.ALL`: all tenants, or all documents."""

    ALL = "all"

    def __repr__(self) -> str:
        return "trivet.ALL"


ALL: Final = Everything.ALL


@dataclass(frozen=True)
class Scope:
    """Whose documents a call is about.

    Attributes:
        has_tenants: whether the index has tenants.
        tenant: the name of one; ALL for every one; None before one is chosen, or without tenants.
    """

    has_tenants: bool = False
    tenant: str | Literal[Everything.ALL] | None = None

    @property
    def name(self) -> str | None:
        """The tenant's name; None if the scope is not one tenant."""
        return self.tenant if isinstance(self.tenant, str) else None

    def of(self, tenant: object) -> Scope:
        """The scope of a tenant, or of `ALL`.

        Raises:
            TenantError: no name of a tenant, an index without tenants, or a scope of a tenant.
        """
        if not self.has_tenants:
            raise TenantError(
                f"expected an index with tenants, got one without, and the tenant {tenant!r}: "
                "make a new index with trivet.open(…, tenants=True)"
            )
        if self.tenant is not None:
            raise TenantError(
                f"expected the index that trivet.open gave, got its view of {self.tenant!r}, and "
                f"the tenant {tenant!r}: ask the index itself"
            )
        return Scope(has_tenants=True, tenant=ALL if tenant is ALL else checked_tenant(tenant))

    def require_documents(self) -> None:
        """Refuse to touch documents before it is said whose.

        Raises:
            TenantError: the index has tenants, and none is chosen.
        """
        if self.has_tenants and self.tenant is None:
            raise TenantError(
                "expected a tenant, got none for an index that has them: use index.tenant(name), "
                "or index.tenant(trivet.ALL) for all (on the command line: --tenant NAME)"
            )

    def require_one(self) -> None:
        """Refuse what an id alone does not name.

        Raises:
            TenantError: the index has tenants, and not exactly one is chosen.
        """
        self.require_documents()
        if self.tenant is ALL:
            raise TenantError(
                "expected one tenant, got trivet.ALL: documents are added, got and deleted by id "
                "in index.tenant(name) alone, since two tenants may use the same id"
            )

    def require_whole(self, action: str) -> None:
        """Refuse to one tenant what concerns all.

        Raises:
            TenantError: one tenant is chosen.
        """
        if self.name is not None:
            raise TenantError(
                f"expected the whole index, got the view of tenant {self.name!r}: {action} is of "
                "all tenants' documents; ask the index that trivet.open gave"
            )

    def key(self, document: str) -> str:
        """The key of a document, by its id."""
        return document_key(self.name, document)

    def narrowed(self, filter: models.Filter | None) -> models.Filter | None:
        """A filter that only documents in scope pass."""
        if self.name is None:
            return filter
        from qdrant_client import models

        tenant = models.FieldCondition(key=TENANT_PATH, match=models.MatchValue(value=self.name))
        return models.Filter(must=[tenant] if filter is None else [tenant, filter])


def checked_tenant(name: object) -> str:
    """The name of a tenant; every difference in spelling makes another tenant.

    Raises:
        TenantError: no text, a blank or a long one, or one with control characters.
    """
    if not isinstance(name, str):
        raise TenantError(
            f"expected a tenant's name as str, or trivet.ALL, got {name!r} ({type(name).__name__})"
        )
    plain = str.__str__(name)  # of a str that is also a member of an Enum, its value
    problem = text_problem(plain)
    if problem:
        raise TenantError(f"expected a tenant's name, {problem}")
    if len(plain) > MAX_NAME:
        raise TenantError(
            f"expected a tenant's name of at most {MAX_NAME} characters, got {len(plain)}: "
            "use a shorter one, such as a hash"
        )
    control = next((c for c in plain if unicodedata.category(c) == "Cc"), None)
    if control is not None:
        raise TenantError(
            f"expected a tenant's name without control characters, got {control!r} in {plain!r}"
        )
    return plain
