-- Make the database that drills and demonstrations start anew each time.
create database cityvigil_scratch
