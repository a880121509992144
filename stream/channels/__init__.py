"""Caption channels without I/O: lines of text, their order for readers, and how they are written."""
