"""From an issue file to a rendered version; pure over what it is given."""
