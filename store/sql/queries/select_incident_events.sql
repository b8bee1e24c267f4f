-- The history of an incident, oldest first. incident_id.
select incident_event_id, at, actor, change, reason
from incident_event
where incident_id = %(incident_id)s
order by incident_event_id
