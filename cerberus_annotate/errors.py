"""What can go wrong for a user. `str()` of each is a sentence: what was wrong, where, what to do.

CerberusError
├── UsageError            the command or an option cannot be used so          (exit code 2)
├── ProjectError          the QuPath project cannot be read or written        (exit code 2)
│   ├── DataFileError     one image's data.qpdata cannot be read or written   (fails that image)
│   ├── ProjectLockedError    another run of ours is at work on the project
│   └── ProjectChangedError   QuPath changed the image while we worked        (fails that image)
├── SlideError            a slide cannot be opened, mapped or measured        (fails that image)
├── ImageRefusedError     an image that must not be pre-labelled as it is     (fails that image)
├── ModelError            a model or checkpoint cannot be used                (exit code 2)
└── ClusterError          the cluster was lost in the middle of a run         (exit code 3; the same command goes on)
"""


class CerberusError(Exception):
    """Base of every error whose text is meant for the user."""


class UsageError(CerberusError):
    """The command or one of its options cannot be used so."""


class ProjectError(CerberusError):
    """The QuPath project cannot be read or written."""


class DataFileError(ProjectError):
    """The data file of one image cannot be read or written."""


class ProjectLockedError(ProjectError):
    """Another process of ours works on the same project."""


class ProjectChangedError(ProjectError):
    """The image's data changed on disk since it was read; nothing was overwritten."""


class SlideError(CerberusError):
    """A slide cannot be opened, its server cannot be mapped, or its pixel size is unknown."""


class ImageRefusedError(CerberusError):
    """An image that must not be pre-labelled as it is (stain, region, pixel size)."""


class ModelError(CerberusError):
    """A model or checkpoint cannot be found, read or used."""


class ClusterError(CerberusError):
    """The cluster that computes was lost, or can do nothing more; what is finished is kept."""
