"""What is collected for the next issue: links of editors, items of feeds, and the draft of both."""
