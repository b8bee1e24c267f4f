-- Store what is new of the stage; the first value of a series and time stays.
insert into reading (series_id, time, value, quality, received_at, batch_id)
select series_id, time, value, quality, received_at, batch_id
from reading_stage
on conflict (series_id, time) do nothing
