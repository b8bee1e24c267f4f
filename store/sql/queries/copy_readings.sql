-- Append readings, all of them new: a key that exists already fails the statement.
copy reading (series_id, time, value, quality, received_at, batch_id) from stdin (format binary)
