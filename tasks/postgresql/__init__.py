"""Django's PostgreSQL, with waits that end."""
