"""Audio input: chunks of any dtype, streaming resampling, sound files."""
