"""A codec for Java object streams (protocol 2). It knows nothing of QuPath."""

from .check import StreamSummary, check_stream
from .errors import StreamError
from .stream import read_stream, write_stream, write_stream_to
from .values import Stream

__all__ = ["Stream", "StreamError", "StreamSummary", "check_stream", "read_stream", "write_stream", "write_stream_to"]
