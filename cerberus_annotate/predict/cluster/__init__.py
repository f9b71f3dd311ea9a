"""Slides and parts of slides as Dask tasks. Needs the extra `cluster`; nothing else of `predict` imports this."""
