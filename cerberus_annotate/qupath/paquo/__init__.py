"""The engine that lets the user's own QuPath read and write, through paquo and JPype. Needs Java."""
