"""Plan → Plan: fuse what is foldable, choose how fine the weights have to be, quantize them."""

from quantcore.passes.convert import BITS, Options, optimize

__all__ = ["BITS", "Options", "optimize"]
