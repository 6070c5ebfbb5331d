"""What Hubbub costs beside what one would take instead, on one machine in one run. See docs/performance.md."""
