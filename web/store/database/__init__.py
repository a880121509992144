"""The database itself: SQLite or PostgreSQL, transactions, migrations, erasure."""
