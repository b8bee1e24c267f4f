-- Assets whose unended incident has been calm since before a time. before: timestamptz, event time.
select asset_id
from incident
where state not in ('resolved', 'dismissed') and calm_since <= %(before)s
order by asset_id
