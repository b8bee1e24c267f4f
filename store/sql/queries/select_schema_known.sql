-- Whether this database was ever migrated.
select to_regclass('schema_migration') is not null
