"""One-line constructors of the errors that reading a file ends in."""

from __future__ import annotations

from quantcore.errors import ArtifactError

__all__ = ["checksum", "invalid", "newer", "too_large", "truncated"]


def invalid(what: str) -> ArtifactError:
    """The bytes break a rule of SPEC.md."""
    return ArtifactError("invalid", f"not a valid artifact: {what[:300]}; get the file again, or convert the source model again")


def checksum(what: str) -> ArtifactError:
    """The bytes are not those that were written."""
    return ArtifactError("checksum", f"damaged quantcore artifact: the checksum of {what} does not match; get the file again")


def truncated(found: int, expected: int) -> ArtifactError:
    """The file ends early."""
    return ArtifactError(
        "truncated", f"truncated quantcore artifact: {found} bytes arrived, at least {expected} were expected; get the file again"
    )


def newer(what: str, release: str = "a newer release") -> ArtifactError:
    """The file needs another quantcore."""
    return ArtifactError("version", f"this quantcore can't read the artifact: it holds {what[:300]}; install quantcore {release}")


def too_large(what: str, max_bytes: int) -> ArtifactError:
    """The caller's limit is below what the file needs."""
    return ArtifactError("invalid", f"{what}, max_bytes is {max_bytes}; raise max_bytes if you trust where the file comes from")
