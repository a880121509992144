"""Client protocols: each turns client messages into commands and session events into messages."""
