"""What a graph costs wherever it runs: multiply-adds, memory, the types that ops compute in."""
