-- Number and SHA-256 digest of every applied migration.
select number, digest
from schema_migration
order by number
