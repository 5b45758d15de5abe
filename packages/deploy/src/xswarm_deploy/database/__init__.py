"""The database: one client for its two homes, migrations, backups."""
