"""What is proven: receipts, the last look at what was written, quarantine, the log of re-identifications."""
