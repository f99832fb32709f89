"""What a package costs on this machine: measured per stage, written as JSON, compared between runs."""
