"""The ways in which data sets lie on disk, and finding the one at hand."""

from cerberus_annotate.learn.data.layouts.finding import LAYOUTS, Layout, read_data_set

__all__ = ["LAYOUTS", "Layout", "read_data_set"]
