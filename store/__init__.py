"""The city's memory: PostgreSQL or TimescaleDB through psycopg, one query per `.sql` file."""
