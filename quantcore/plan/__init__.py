"""The model as data: ops, the Plan that chains them, and their validation."""

from quantcore.plan.csr import Csr
from quantcore.plan.ops import INPUT, OPS, Op
from quantcore.plan.plan import METHODS, Plan
from quantcore.plan.table import Table
from quantcore.plan.vocabulary import Vocabulary

__all__ = ["INPUT", "METHODS", "OPS", "Csr", "Op", "Plan", "Table", "Vocabulary"]
