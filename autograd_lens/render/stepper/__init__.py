"""What the panes of the debugger say: records in, lines of text out."""
