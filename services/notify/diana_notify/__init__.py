"""Tells people and systems what happens: every message is in a durable ledger before it is tried."""
