"""Who reads: sign-up, import and export, leaving, and what comes back."""
