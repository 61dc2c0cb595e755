"""What is learned step by step: λ, masks and routers, from batches of unlabelled or labelled images."""
