"""Starting, watching and ending Paglet Processes."""
