"""Ledger of what our runs wrote, its comparison with the project, and what a rerun may touch."""
