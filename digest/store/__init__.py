"""The only SQL. Functions take a session first and never commit; their callers do."""
