"""A codec for Java object streams (protocol 2). It knows nothing of QuPath."""

from .errors import StreamError
from .stream import read_stream, write_stream, write_stream_to
from .values import Stream

__all__ = ["Stream", "StreamError", "read_stream", "write_stream", "write_stream_to"]
