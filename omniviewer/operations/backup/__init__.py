"""All of the site's rows in one file, made while the site runs, which SQLite and PostgreSQL both take back.

The file is a ZIP archive: a member for each table with a JSON array a row, and `manifest.json`, which says by which
migrations the rows are, how many there are, and the SHA-256 of each member.
"""
