"""A city that behaves, its labelled faults, and what its devices would publish about it. Knows no database."""
