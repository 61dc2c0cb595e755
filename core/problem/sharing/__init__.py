"""One merge over several processes: each holds some parameter tensors of all task vectors, and has some tasks' images.

Process 0 does everything that a single process does; the others wait for what it tells them to do to their share.
"""
