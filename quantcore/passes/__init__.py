"""Plan → Plan: fuse what is foldable, choose how fine the weights have to be, quantize them."""

from quantcore.passes.choose import OBJECTIVES
from quantcore.passes.convert import BITS, Options, optimize
from quantcore.passes.rows import drawn_rows
from quantcore.passes.search import Found, search

__all__ = ["BITS", "OBJECTIVES", "Found", "Options", "drawn_rows", "optimize", "search"]
