"""`compute-slots`: which jobs may run on a host now, and the jobs that ask it."""
