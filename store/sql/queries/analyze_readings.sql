-- Have the planner learn how readings are distributed, after many were added at once.
analyze reading
