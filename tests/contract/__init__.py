"""Laws that every implementation of a protocol keeps."""
