-- Record a change of an incident: who, when, why.
insert into incident_event (incident_id, at, actor, change, reason)
values (%(incident_id)s, %(at)s, %(actor)s, %(change)s, %(reason)s)
returning incident_event_id
