"""What people and other programs read: REST, metrics, and the page of open incidents."""
