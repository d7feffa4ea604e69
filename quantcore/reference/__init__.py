"""The meaning of every op: one NumPy function each, to be read as its definition.

``run`` walks a Plan with them. Compiled kernels are tested against these
functions, these functions against scikit-learn.
"""

from quantcore.reference.run import FUNCTIONS, run

__all__ = ["FUNCTIONS", "run"]
