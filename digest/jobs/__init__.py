"""What runs by itself. Rows are the truth, jobs are hints: a lost one is found by the next look."""
