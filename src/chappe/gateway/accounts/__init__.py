"""Accounts: each admitted request appears once, whoever ends first."""

from chappe.gateway.accounts.account import Account, Outcome
from chappe.gateway.accounts.service import Accounts

__all__ = ["Account", "Accounts", "Outcome"]
