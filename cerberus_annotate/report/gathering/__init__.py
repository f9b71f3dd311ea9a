"""Reads a project for its report: everything that is more than making pages of facts."""
