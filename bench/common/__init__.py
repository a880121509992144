"""What several benches use: servers, clips, figures, resource usage."""
