"""What this machine computes on, and with which precision."""

from __future__ import annotations

import torch

from trivet.errors import InvalidInputError

MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


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
    """Whether a device has instructions for it, so that it is faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "mps":
        return torch.backends.mps.is_macos_or_newer(14, 0)
    # Not public: torch has no other way to ask, and may drop it.
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, bool)()) for name in probes)
