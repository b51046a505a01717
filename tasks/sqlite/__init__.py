"""Django's SQLite, with waits that a page can afford."""
