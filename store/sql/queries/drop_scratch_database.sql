-- Remove the database that drills and demonstrations start anew each time; whoever is connected is cut off.
drop database if exists cityvigil_scratch with (force)
