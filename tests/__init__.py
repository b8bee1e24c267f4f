"""City Vigil's tests, one folder per room."""
