"""The backend's environment, its process, and jobs with progress and cancel."""
