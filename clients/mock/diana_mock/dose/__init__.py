"""What an irradiation event gave, and the X-Ray Radiation Dose SR that tells of it."""
