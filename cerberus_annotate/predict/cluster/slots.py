"""How many tasks are out at a time."""
