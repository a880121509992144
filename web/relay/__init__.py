"""Short messages between the processes of a server, and between servers with one database."""
