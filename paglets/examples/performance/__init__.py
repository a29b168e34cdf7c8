"""The performance benchmark: PerformanceBenchmarkAgent and what it is made of.

agent.py clones workers over the mesh; each takes the Performance Benchmark Lock (lock.py) of its
machine and runs the tests (course.py) in processes of their own (pool.py, kernels/). running.py
starts it from outside any paglet; comparison.py and page.py show what came of it.

Nothing is imported here: the processes that measure load this package.
"""
