"""The session's configuration: its keys, their defaults and bounds, and what they mean."""
