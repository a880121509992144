"""Write spoken numbers in digits: inverse text normalization, for Persian."""
