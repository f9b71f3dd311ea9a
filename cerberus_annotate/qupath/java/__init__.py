"""A codec for Java object streams (protocol 2). It knows nothing of QuPath."""
