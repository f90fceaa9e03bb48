"""Records to pictures and text; nothing here reads or writes a file, except where it says so."""
