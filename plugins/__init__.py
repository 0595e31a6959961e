"""The built-in plugins, a file each; the module docstring is the plugin's manual page."""
