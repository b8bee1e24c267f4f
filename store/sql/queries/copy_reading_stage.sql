-- Fill the stage.
copy reading_stage (series_id, time, value, quality, received_at, batch_id) from stdin (format binary)
