"""An installation in one encrypted file: sealed → archive → make, restore."""
