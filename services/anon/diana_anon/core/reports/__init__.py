"""What an operation did, or a dry run found, written for people and programs: JSON, CSV and one HTML page."""
