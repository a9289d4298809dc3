"""Search: text typed, parsed, looked up in the database's own full-text search, and marked where it is found.

Tokens are made here, so SQLite's FTS5 and PostgreSQL find the same for the same search query.
"""
