"""What brings the product to its users: packages, images, units, manifests."""
