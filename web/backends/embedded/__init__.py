"""The embedded engine as a backend: a process of its own, supervised, which speaks Riva's protocol."""
