-- Write scores; a re-score of late data replaces the first word. Parallel arrays, one element per score.
insert into score (asset_id, series_id, detector, time, score, p_value, model_id)
select asset_id, series_id, detector, time, score, p_value, model_id
from unnest(
    %(asset_ids)s::integer[], %(series_ids)s::integer[], %(detectors)s::text[], %(times)s::timestamptz[],
    %(scores)s::double precision[], %(p_values)s::double precision[], %(model_ids)s::integer[]
) as s (asset_id, series_id, detector, time, score, p_value, model_id)
on conflict (asset_id, series_id, detector, time) do update
set score = excluded.score, p_value = excluded.p_value, model_id = excluded.model_id
