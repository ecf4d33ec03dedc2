"""What Trivet promises in numbers, measured: run by `python -m benchmarks` (`make bench`)."""
