"""What connects models with the systems that they are served in."""
