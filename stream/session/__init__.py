"""The session core, without I/O: frames and commands in, orders for recognizers and events out."""
