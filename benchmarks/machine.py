"""The machine and the versions that a figure was measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    "trivet", "torch", "sentence-transformers", "tokenizers", "qdrant-edge-py", "qdrant-client",
    "numpy", "ir-measures",
)  # fmt: skip


def facts() -> dict[str, str]:
    """Processor, cores, memory, Python and the packages that matter."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": _memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def sentence(facts: dict[str, str]) -> str:
    """The same as people write it."""
    packages = ", ".join(f"{name} {facts[name]}" for name in PACKAGES if name in facts)
    return (
        f"{facts['processor']}, {facts['cores']} cores, {facts['memory']}, {facts['system']}, "
        f"Python {facts['python']}, {packages}"
    )


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text("utf-8").splitlines() if file.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


def _memory() -> str:
    try:
        size_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system says
        return "unknown memory"
    return f"{size_bytes / 2**30:.0f} GiB"
