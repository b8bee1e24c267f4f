-- How much there is to watch.
select (select count(*) from asset) as assets, (select count(*) from series) as series
