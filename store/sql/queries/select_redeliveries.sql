-- When these messages arrived before, within the redelivery window. digests: bytea[]; not_before: timestamptz.
select digest, received_at
from redelivery
where digest = any (%(digests)s::bytea[]) and received_at >= %(not_before)s
