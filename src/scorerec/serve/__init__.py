"""What a finished run is good for: recommending, explaining, live additions, forgetting, scores, and comparing."""
