"""The way to a Dask scheduler."""

import logging

from distributed import Client

from cerberus_annotate.errors import UsageError

CONNECT_SECONDS = 10


def connect(address: str) -> Client:
    """A client of the scheduler at `address` (`tcp://host:8786`, `tls://…`).  Raises UsageError where none answers."""
    # what it says of a lost scheduler we say ourselves
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    logging.getLogger("distributed.core").setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at {address} ({error or type(error).__name__}). Start one with `dask scheduler` "
            "and give the address that it prints, such as tcp://host:8786."
        ) from error
