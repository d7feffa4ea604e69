"""Source models to Plans: one small function per family of estimators."""

from quantcore.importers.registry import convert

__all__ = ["convert"]
