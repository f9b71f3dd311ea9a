"""Pre-labels QuPath projects with Cerberus, the multi-task network of Graham et al. (2023).

Importing this package loads neither torch nor any slide library; the stations of the data flow are its
sub-packages: `slide`, `network`, `predict`, `objects`, `qupath`, `feedback`, `annotate`, `learn`, `cli`.
"""

__version__ = "0.1.0"
