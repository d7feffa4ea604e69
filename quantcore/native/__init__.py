"""The compiled doors, and the registry that says which implementation serves what.

::

    kernels.def ──► src/<family>.pyx ──► quantcore.native._<family>   kernels(), select(isa), selected(), the calls
                                                   │
    QUANTCORE_ISA, QUANTCORE_FALLBACK ──► registry.door(family) ──► the door, or None: NumPy serves

Nothing else in quantcore asks whether a compiled module is there.
"""

from quantcore.native.registry import FAMILIES, Implementation, describe, door, implementation

__all__ = ["FAMILIES", "Implementation", "describe", "door", "implementation"]
