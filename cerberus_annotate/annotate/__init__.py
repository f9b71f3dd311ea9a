"""One run of a model over a project: plan, image by image, commit, resume; and the way back."""
