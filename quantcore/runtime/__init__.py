"""Serve a Plan: choose implementations, run them, certify what they say."""

from quantcore.runtime.cold import cold_plan, settle_cold
from quantcore.runtime.execute import Executor

__all__ = ["Executor", "cold_plan", "settle_cold"]
