"""What this machine computes on, and with which precision."""

from __future__ import annotations

from functools import lru_cache, partial

import torch
from torch import nn

from trivet.embedding.kernels.packed import PackedLinear, has_packing
from trivet.embedding.kernels.probing import best_times
from trivet.errors import InvalidInputError

# Rows and columns of a product that is worth measuring, and still takes few milliseconds.
_PROBE_ROWS = 256
_PROBE_WIDTH = 768
_WORTHWHILE = 1.1
MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


def computes_in_one_thread() -> bool:
    """Whether torch computes in the calling thread alone, on the processor."""
    return torch.get_num_threads() == 1


def choose_device(name: str | None = None) -> torch.device:
    """A device by its name; a GPU where torch finds one, else the processor, of None.

    Raises:
        InvalidInputError: torch finds no such device here.
    """
    if name is not None:
        try:
            device = torch.device(name)
            torch.empty(1, device=device)
        except Exception as error:  # torch and its backends raise what they raise
            raise InvalidInputError(
                f"expected a device that torch finds here, such as {choose_device()}, got "
                f"{name!r} ({error}): leave devices out"
            ) from error
        return device
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The numbers of the computation.

    Args:
        precision: "float32", "bfloat16", or "auto" for bfloat16 where the device computes with it.
        device: that computes.
    """
    if precision == "auto":
        precision = "bfloat16" if _has_bfloat16(device) else "float32"
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in MEMORY_WORDS)


def _has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes with it, and faster than with float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    # Not public: torch has no other way to ask, and may drop it.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in probes) and _pays()


@lru_cache(maxsize=1)
def _pays() -> bool:
    """Whether the processor's instructions for it are faster, measured once a process.

    Intel's without AMX have half the speed of float32's, AMD's twice.
    """
    times = [min(best_times(_products(dtype))) for dtype in (torch.float32, torch.bfloat16)]
    return times[1] * _WORTHWHILE < times[0]


def _products(dtype: torch.dtype) -> list[partial[torch.Tensor]]:
    """A matrix product by each kernel there is."""
    linear = nn.Linear(_PROBE_WIDTH, _PROBE_WIDTH, dtype=dtype)
    layers = [linear, PackedLinear(linear)] if has_packing() else [linear]
    rows = torch.ones(_PROBE_ROWS, _PROBE_WIDTH, dtype=dtype)
    return [partial(layer, rows) for layer in layers]
