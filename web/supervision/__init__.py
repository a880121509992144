"""Child processes that are kept running: their heartbeats, their replacement, their end with the parent."""
