-- Wait until no other process is migrating. Holds until the transaction ends. key: bigint.
select pg_advisory_xact_lock(%(key)s::bigint)
