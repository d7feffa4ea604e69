"""Serve a Plan: choose implementations, run them, certify what they say."""

from quantcore.runtime.execute import Executor, cold_plan, settle_cold

__all__ = ["Executor", "cold_plan", "settle_cold"]
