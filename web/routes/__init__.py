"""Routes as their resources declare them: a method and a path, what answers it, and its description."""
