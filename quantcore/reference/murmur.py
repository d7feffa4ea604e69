"""MurmurHash3, 32 bits: how the hashing vectorizer finds a term's column."""

from __future__ import annotations

__all__ = ["column_and_sign", "murmur3_32"]

_MASK = 0xFFFFFFFF


def murmur3_32(data: bytes, seed: int = 0) -> int:
    """MurmurHash3_x86_32 as a signed integer.

    Parameters
    ----------
    data : bytes
    seed : int

    Returns
    -------
    int
        In -2**31 .. 2**31 - 1.
    """
    h = seed
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        h ^= _mix(int.from_bytes(data[at : at + 4], "little"))
        h = (_rotate(h, 13) * 5 + 0xE6546B64) & _MASK
    if whole < len(data):
        h ^= _mix(int.from_bytes(data[whole:], "little"))
    h ^= len(data)
    h = ((h ^ (h >> 16)) * 0x85EBCA6B) & _MASK
    h = ((h ^ (h >> 13)) * 0xC2B2AE35) & _MASK
    h ^= h >> 16
    return h - (1 << 32) if h >> 31 else h


def column_and_sign(term: str, n_features: int) -> tuple[int, int]:
    """Column of a term under hashing, and the sign that alternate_sign gives it."""
    h = murmur3_32(term.encode("utf-8"))
    # |-2**31| has no int32; what scikit-learn defines for it equals the mathematical value.
    return abs(h) % n_features, 1 if h >= 0 else -1


def _rotate(value: int, bits: int) -> int:
    return ((value << bits) | (value >> (32 - bits))) & _MASK


def _mix(block: int) -> int:
    return (_rotate((block * 0xCC9E2D51) & _MASK, 15) * 0x1B873593) & _MASK
