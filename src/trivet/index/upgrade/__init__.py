"""Upgrading an index to another model while it serves."""

from trivet.index.upgrade.upgrade import Upgrade

__all__ = ["Upgrade"]
