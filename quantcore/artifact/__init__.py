"""The artifact, a Plan as one small, safe file: SPEC.md says what the bytes mean."""

from quantcore.artifact.codec import Artifact, decode, encode, encoded
from quantcore.artifact.files import mapped, read, write

__all__ = ["Artifact", "decode", "encode", "encoded", "mapped", "read", "write"]
