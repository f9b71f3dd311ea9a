"""What QuPath's own window talks to: its scripts, what they ask for, and the live service."""
