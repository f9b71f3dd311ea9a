"""The engine without a JVM: QuPath's files read and written by ourselves."""
