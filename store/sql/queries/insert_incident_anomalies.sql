-- Put anomalies under an incident. incident_id; anomaly_ids: bigint[].
insert into incident_anomaly (incident_id, anomaly_id)
select %(incident_id)s, anomaly_id
from unnest(%(anomaly_ids)s::bigint[]) as a (anomaly_id)
on conflict do nothing
