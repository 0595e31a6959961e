"""The built-in templates. A community overrides one by a file of the same name in its own `templates/`."""
