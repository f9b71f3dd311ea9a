"""Which objects of a project are ours: two keys in an object's metadata.

QuPath keeps an object's UUID and its metadata through edits of shape, class, name and lock. Data files of QuPath
before 0.4 keep no UUID, so our own id stands in the metadata as well.
"""

RUN_KEY = "cerberus.run"
ID_KEY = "cerberus.id"
