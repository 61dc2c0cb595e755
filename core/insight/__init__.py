"""What can be said before a merge: similarity of task vectors, advice, the trust check, and all findings."""
