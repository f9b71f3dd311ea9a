"""The one error of the codec."""


class StreamError(ValueError):
    """The bytes are no Java object stream that can be read.

    The text says what is wrong and where. `offset` is the byte at which reading stopped, None when it is not
    known.
    """

    def __init__(self, problem: str, offset: int | None = None) -> None:
        super().__init__(problem if offset is None else f"{problem} (at byte {offset:,})")
        self.offset = offset
