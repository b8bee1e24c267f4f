-- Remember that a migration was applied. number; name; digest: SHA-256 of its text in hexadecimal.
insert into schema_migration (number, name, digest)
values (%(number)s, %(name)s, %(digest)s)
