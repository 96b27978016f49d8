"""Who reads: taking readers in from a file, and letting them go."""
