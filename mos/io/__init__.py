"""Medical image files in and out: formats, orientation, spacing."""
