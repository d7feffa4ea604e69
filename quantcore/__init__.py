"""quantcore: scikit-learn models as small, safe files, served by compiled, quantized kernels.

    model = quantcore.quantize(pipeline, calibration=texts)
    quantcore.save(model, "intent.qc")
    quantcore.load("intent.qc").predict(["how do i freeze my card"])

The rooms below (``plan``, ``importers``, ``passes``, ``reference``, ``native``, ``artifact``, ``runtime``, ``report``) are
described in ARCHITECTURE.md. Nothing is imported before it is used: loading and predicting need NumPy alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quantcore._version import __version__

if TYPE_CHECKING:
    from quantcore._api import load, predict, quantize, reload, save, show_config
    from quantcore._finetune import finetune
    from quantcore.errors import ArtifactError, QuantcoreError, UncertainError, UnsupportedModelError
    from quantcore.integrations.shadow import shadow
    from quantcore.model import Model
    from quantcore.report.comparison import compare
    from quantcore.runtime.fallbacks import on_fallback

__all__ = [
    "ArtifactError",
    "Model",
    "QuantcoreError",
    "UncertainError",
    "UnsupportedModelError",
    "__version__",
    "compare",
    "finetune",
    "load",
    "on_fallback",
    "predict",
    "quantize",
    "reload",
    "save",
    "shadow",
    "show_config",
]

_HOMES = {
    "ArtifactError": "quantcore.errors",
    "Model": "quantcore.model",
    "QuantcoreError": "quantcore.errors",
    "UncertainError": "quantcore.errors",
    "UnsupportedModelError": "quantcore.errors",
    "compare": "quantcore.report.comparison",
    "finetune": "quantcore._finetune",
    "on_fallback": "quantcore.runtime.fallbacks",
    "shadow": "quantcore.integrations.shadow",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'quantcore' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(_HOMES.get(name, "quantcore._api")), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
