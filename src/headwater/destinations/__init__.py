"""Where events go on to: files, and whatever a plug-in writes to. `base` is what a plug-in needs."""
