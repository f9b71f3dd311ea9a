"""The review queue: which regions of a project are worth a pathologist's minutes."""
