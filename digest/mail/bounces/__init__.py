"""What bounces of the world look like: tables of reasons, phrases and layouts, by provider."""
