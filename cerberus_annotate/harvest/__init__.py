"""What was corrected in a project, as training data: patches, label maps, and the difference of each object."""
