-- How far the engine is: when it last moved, how many models there are and how old the oldest of the latest is.
select
    (select moved_at from consumer_cursor where consumer = 'engine') as moved_at,
    (select watermark from consumer_cursor where consumer = 'engine') as judged_until,
    (select count(distinct asset_id) from model) as models,
    (
        select min(trained_until)
        from (select max(trained_until) as trained_until from model group by asset_id) latest
    ) as oldest_training
