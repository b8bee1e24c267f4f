"""One query per file, named `<verb>_<noun>.sql`; the first line says what it is for."""
