"""Plan ↔ bytes: the whole of an artifact."""

from __future__ import annotations

import functools
from dataclasses import fields
from types import ModuleType
from typing import Any, Literal

import numpy as np

from quantcore.artifact import canonical
from quantcore.artifact._fail import invalid
from quantcore.artifact.container import ANCILLARY, ARRAY, DEFLATE, META, POOL, RAW, TABLED, Section, pack, unpack
from quantcore.artifact.decoder import Decoder, content
from quantcore.artifact.deflate import compress
from quantcore.artifact.dictionary import DICTIONARY, TABLES
from quantcore.artifact.transforms import transforms
from quantcore.artifact.tree import plan_from_tree, plan_to_tree
from quantcore.plan import Plan, Vocabulary
from quantcore.plan.record import Record

__all__ = ["Artifact", "decode", "encode", "encoded"]

_MAX_META_RATIO = 100


class Artifact(Record):
    """What a file holds, validated whole. Its arrays are read-only.

    Parameters
    ----------
    plan : Plan
    extra : dict
        "report", "provenance", "selftest": JSON values, arrays among them.
    sizes : dict of str to (int, int)
        Stored and decoded bytes per section.
    """

    plan: Plan
    extra: dict[str, Any]
    sizes: dict[str, tuple[int, int]]

    @functools.cached_property
    def digest(self) -> str:
        """Hex SHA-256 of the decoded content, whatever codings a file uses."""
        return _digest({"extra": self.extra, "plan": plan_to_tree(self.plan)})


def encode(plan: Plan, extra: dict[str, Any], *, codec: ModuleType | None = None) -> bytes:
    """The artifact of a Plan.

    Parameters
    ----------
    plan : Plan
    extra : dict of str to JSON value
        "report", "provenance", "selftest"; may hold ndarrays.
    codec : module or None
        As in `decode`: for the content that is read again.

    Returns
    -------
    bytes
        The same for the same content. It has been decoded again, and compared, before it is returned.

    Raises
    ------
    ValueError
        The content can't be stored (NaN outside arrays, arrays of objects, ...) or is not a valid Plan.
    """
    return encoded(plan, extra, codec=codec)[0]


def encoded(plan: Plan, extra: dict[str, Any], *, codec: ModuleType | None = None) -> tuple[bytes, Artifact]:
    """As `encode`, and what decoding found in these bytes: whoever goes on with them need not do it again."""
    from quantcore.artifact.encoder import Encoder  # reading does without

    tree = {"extra": extra, "plan": plan_to_tree(plan)}
    encoder = Encoder(transforms(codec))
    text = canonical.dumps(encoder.value(tree))
    if len(text) > canonical.MAX_TEXT:
        raise ValueError(f"the metadata needs {len(text)} bytes, at most {canonical.MAX_TEXT} fit; store long lists as arrays")
    packings = [(DEFLATE, compress(text, DICTIONARY)), (TABLED, compress(text, TABLES))]
    useful = [(c, packed) for c, packed in packings if len(packed) < len(text) <= _MAX_META_RATIO * len(packed)]
    kind, stored = min(useful or [(RAW, text)], key=lambda found: len(found[1]))
    meta = Section(META, kind, "u1", (len(text),), stored)
    sections = [meta, *encoder.sections()]
    found, decoder = _open(sections, None, codec)
    data = pack(sections, decoder.used)
    # What was read are these sections, so they are not read again from the file that they are now in.
    written, memory = unpack(memoryview(data), None)
    artifact = _artifact(found, decoder, codec)
    if written != sections or memory != decoder.used or artifact.digest != _digest(tree):
        raise ValueError("the content does not survive being written: a value is not what its type says")
    return data, artifact


def decode(
    data: bytes | memoryview,
    *,
    max_bytes: int | None = None,
    codec: ModuleType | None = None,
    memory: Literal["any", "private", "shared"] = "any",
) -> Artifact:
    """Read and validate an artifact.

    Parameters
    ----------
    data : bytes or memoryview
        A whole file.
    max_bytes : int or None
        Most memory that the content may declare to need.
    codec : module or None
        Compiled functions that stand for the hot ones (the door ``codec``); the result, or the error, is the same.
    memory : {"any", "private", "shared"}
        Whose ``data`` is. "any": what is not ``bytes`` is copied first, so that nobody can change what was validated. "private":
        nobody else can. "shared": somebody could (pages of a file), so all is copied but raw floats, of which any are safe.

    Raises
    ------
    ArtifactError
        Nothing else, whatever the bytes.
    """
    whole = bytes(data) if memory == "any" and not isinstance(data, bytes) else data
    sections, declared = unpack(memoryview(whole), max_bytes)
    return _artifact(*_open(sections, declared, codec, shared=memory == "shared"), codec)


def _artifact(tree: Any, decoder: Decoder, codec: ModuleType | None) -> Artifact:
    """What was read, once it is known to be an artifact."""
    if not isinstance(tree, dict) or set(tree) != {"extra", "plan"} or not isinstance(tree["extra"], dict):
        raise invalid("its metadata is not a mapping of 'extra' and 'plan'")
    plan = plan_from_tree(tree["plan"])
    _validate(plan, codec)
    return Artifact(plan=plan, extra=tree["extra"], sizes=decoder.sizes)


def _open(
    sections: list[Section], memory: int | None, codec: ModuleType | None = None, *, shared: bool = False
) -> tuple[Any, Decoder]:
    """The tree in checked sections."""
    head, pools = sections[0], [s for s in sections if s.type == POOL]
    if head.type != META or any(s.type == META for s in sections[1:]) or len(pools) > 1:
        raise invalid("it needs one metadata section and at most one pool")
    for s in (head, *pools):
        if s.dtype != "u1" or len(s.dims) != 1 or s.codec not in ((RAW, DEFLATE, TABLED) if s is head else (RAW, DEFLATE)):
            raise invalid("the metadata and the pool are bytes, raw or deflated")
    if any(s.codec == TABLED for s in sections[1:]):
        raise invalid("the metadata alone is deflated with the dictionary of tables")
    if head.decoded > min(canonical.MAX_TEXT, _MAX_META_RATIO * len(head.stored)):
        raise invalid(f"metadata of {head.decoded} bytes from {len(head.stored)}")
    if memory is not None and memory < sum(s.decoded for s in sections if not s.type & ANCILLARY):
        raise invalid(f"{memory} bytes of memory are less than its sections decode to")
    text = bytes(content(head, DICTIONARY))
    do = transforms(codec)
    decoder = Decoder(memory, do, shared=shared)
    decoder.charge(canonical.parsed_size(text))
    document = canonical.loads(text, do.same)
    decoder.load(pools[0] if pools else None, [s for s in sections if s.type == ARRAY])
    decoder.sizes["meta"] = len(head.stored), head.decoded
    for pool in pools:
        decoder.sizes["pool"] = len(pool.stored), pool.decoded
    tree = decoder.value(document)
    decoder.finish()
    return tree, decoder


def _validate(plan: Plan, codec: ModuleType | None) -> None:
    from quantcore.plan.validate import validate

    try:
        validate(plan, codec)
    except ValueError as error:
        raise invalid(str(error)) from None


def _digest(tree: Any) -> str:
    return _sha256(canonical.dumps(_hashed(tree)))


def _sha256(data: bytes | memoryview) -> str:
    import hashlib  # 2 ms that only digests need

    return hashlib.sha256(data).hexdigest()


def _hashed(value: Any) -> Any:
    """A tree with arrays named by dtype, shape and SHA-256 of their little-endian bytes."""
    if isinstance(value, dict):
        return {k: _hashed(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hashed(v) for v in value]
    if isinstance(value, Vocabulary):
        return {f.name: _hashed(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
        return {"$": [plain.dtype.str[1:], list(value.shape), _sha256(plain.reshape(-1).view(np.uint8).data)]}
    return value
