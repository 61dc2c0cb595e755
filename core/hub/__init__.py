"""Checkpoints of the Hugging Face hub: where they lie on disk, and fetching them when a person asks for it.

Nothing here is called by a run: a run only reads what is on disk already. The modules are imported one by one, because
the hub's library takes a while to load and most suites need none of it.
"""
