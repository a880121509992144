"""The live endpoint: admission, the connection, its recording, the registry of open sessions."""
