"""A pathologist who corrects by the ground truth, and what a model learns from that."""
