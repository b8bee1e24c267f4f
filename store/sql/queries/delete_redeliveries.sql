-- Forget what no broker will deliver again. before: timestamptz.
delete from redelivery
where received_at < %(before)s
