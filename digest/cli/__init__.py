"""The command line: one module per noun or group of verbs, loaded only when called."""
